//! What the two APIs about products have in common: parameters that are checked as the models say, and pages.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Products of a page, unless the request says otherwise, and at most.
const PAGE: usize = 10;
const LARGEST_PAGE: usize = 20;
/// Identifiers of a request at most.
const IDENTIFIERS: usize = 20;

/// Parameters of a request, each once.
pub(super) struct Parameters(BTreeMap<String, String>);

/// A request that is refused, by what is said about it.
pub(super) type Refusal = (u16, Value);

/// The body of a refusal.
pub(super) fn refuse(status: u16, message: &str, details: &str) -> Refusal {
    let code = match status {
        404 => "NotFound",
        403 => "Unauthorized",
        _ => "InvalidInput",
    };
    (
        status,
        json!({"errors": [{"code": code, "message": message, "details": details}]}),
    )
}

impl Parameters {
    /// The parameters of a query, of which all have to be known.
    pub(super) fn read(query: &[(String, String)], known: &[&str]) -> Result<Self, Refusal> {
        let mut parameters = BTreeMap::new();
        for (name, value) in query {
            if !known.contains(&name.as_str()) {
                return Err(refuse(
                    400,
                    "Invalid Input",
                    &format!("there is no parameter {name}"),
                ));
            }
            if value.is_empty() {
                return Err(refuse(400, "Invalid Input", &format!("{name} is empty")));
            }
            if parameters.insert(name.clone(), value.clone()).is_some() {
                return Err(refuse(400, "Invalid Input", &format!("{name} is there twice")));
            }
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The values of a parameter between whose values commas stand.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.get(name)
            .map(|text| text.split(',').collect())
            .unwrap_or_default()
    }

    /// The marketplace, of which a search has one.
    pub(super) fn marketplace(&self) -> Result<&str, Refusal> {
        match self.list("marketplaceIds")[..] {
            [marketplace] => Ok(marketplace),
            [] => Err(refuse(400, "Invalid Input", "marketplaceIds is missing")),
            _ => Err(refuse(400, "Invalid Input", "marketplaceIds has more than one")),
        }
    }

    /// What is asked for about each product, out of what there is.
    pub(super) fn included(
        &self,
        known: &[&str],
        of_vendors: &str,
        is_vendor: bool,
    ) -> Result<BTreeSet<String>, Refusal> {
        let mut included = self.list("includedData");
        if included.is_empty() {
            included.push("summaries");
        }
        if let Some(strange) = included.iter().find(|data| !known.contains(data)) {
            return Err(refuse(400, "Invalid 'includedData' requested.", strange));
        }
        if !is_vendor && included.contains(&of_vendors) {
            let details = "The includedData requested requires vendor access. Remove the requested includedData item and try \
                           again.";
            return Err(refuse(400, "FORBIDDEN", details));
        }
        Ok(included.into_iter().map(str::to_owned).collect())
    }

    /// Kind and identifiers, where it is a search by identifiers.
    pub(super) fn identifiers(&self, kinds: &[&str]) -> Result<Option<(&str, Vec<&str>)>, Refusal> {
        let ids = self.list("identifiers");
        match self.get("identifiersType") {
            None if ids.is_empty() => Ok(None),
            None => Err(refuse(400, "Invalid Input", "identifiersType is missing")),
            Some(_) if ids.is_empty() => Err(refuse(400, "Invalid Input", "identifiers is missing")),
            Some(kind) if !kinds.contains(&kind) => Err(refuse(400, "Invalid Input", "identifiersType")),
            Some(_) if ids.len() > IDENTIFIERS => {
                Err(refuse(400, "Invalid Input", "more than 20 identifiers"))
            }
            Some("ASIN") if ids.iter().any(|id| !is_asin(id)) => {
                Err(refuse(400, "Invalid 'asin' provided.", ""))
            }
            Some(kind) => Ok(Some((kind, ids))),
        }
    }

    /// A page of what was found: the products of it, and the tokens of its neighbours. At most `reach` products are paged
    /// through.
    pub(super) fn page(
        &self,
        found: Vec<Value>,
        reach: usize,
        tokens: &mut Tokens,
    ) -> Result<Value, Refusal> {
        let size = match self.get("pageSize").map(str::parse::<usize>) {
            None => PAGE,
            Some(Ok(size)) if (1..=LARGEST_PAGE).contains(&size) => size,
            Some(_) => return Err(refuse(400, "Invalid Input", "pageSize")),
        };
        let mut same = self.0.clone();
        let search = same.remove("pageToken").map_or(Ok(0), |token| {
            let asked = format!("{same:?}");
            tokens
                .position(&token, &asked)
                .ok_or_else(|| refuse(400, "Invalid Input", "Invalid pageToken"))
        });
        let (from, asked) = (search?, format!("{same:?}"));
        let total = found.len();
        let items: Vec<Value> = found.into_iter().skip(from).take(size).collect();
        let end = from + items.len();
        let mut page = json!({"numberOfResults": total, "items": items});
        if end < total.min(reach) {
            page["pagination"] = json!({"nextToken": tokens.issue(end, asked)});
        }
        Ok(page)
    }
}

fn is_asin(id: &str) -> bool {
    id.len() == 10
        && id
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Tokens of pages, each good for the search that it was given for.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    issued: BTreeMap<String, (usize, String)>,
    count: u64,
}

impl Tokens {
    fn issue(&mut self, position: usize, asked: String) -> String {
        self.count += 1;
        let token = format!("9HkIVcuuPmX_bm51o6-igBfN27{:08}=", self.count);
        self.issued.insert(token.clone(), (position, asked));
        token
    }

    fn position(&self, token: &str, asked: &str) -> Option<usize> {
        let (position, of) = self.issued.get(token)?;
        (of == asked).then_some(*position)
    }

    /// Ends all that were given.
    pub(super) fn expire(&mut self) {
        self.issued.clear();
    }
}

/// The product with only what was asked for about it.
pub(super) fn only(item: &Value, always: &str, included: &BTreeSet<String>) -> Value {
    let mut item = item.clone();
    if let Value::Object(fields) = &mut item {
        fields.retain(|name, _| name == always || included.contains(name));
    }
    item
}
