//! What is known of the rows that a step of a plan gives.

use std::collections::BTreeSet;

/// Numbers of values: a value keeps its number through all steps that hand it on as it is.
pub(super) type Ids = BTreeSet<usize>;

/// Numbers of sides: rows of one origin, which an outer join can replace by nulls.
pub(super) type Sides = BTreeSet<usize>;

/// One column of a step.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: usize,
    /// For each `recompute` column the sides of which one must be there for this column to have its value, where it has
    /// that value or null; none where it may have another one.
    pub(super) part: Vec<Option<Sides>>,
    /// Whether it is a number that is neither NaN nor a negative zero.
    pub(super) is_tame: bool,
}

/// The rows of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    pub(super) columns: Vec<Known>,
    /// Of each of these sets at least one side is there in every row.
    pub(super) present: Vec<Sides>,
    /// Values that no two rows have alike.
    pub(super) keys: Vec<Ids>,
    /// Whether it mixes parts, which has been told: what is made of it is not looked at again.
    pub(super) is_mixed: bool,
}

impl Relation {
    /// Whether a column has the value of a `recompute` column in every row.
    pub(super) fn shows(&self, column: &Known, recompute: usize) -> bool {
        let shown = column.part.get(recompute).and_then(Option::as_ref);
        self.is_mixed || shown.is_some_and(|sides| self.present.iter().any(|some| some.is_subset(sides)))
    }

    /// Whether a column has the value of a `recompute` column in every row in which it is not null.
    pub(super) fn may_show(&self, column: &Known, recompute: usize) -> bool {
        self.is_mixed || column.part.get(recompute).is_some_and(Option::is_some)
    }

    /// Numbers of all columns.
    pub(super) fn ids(&self) -> Ids {
        self.columns.iter().map(|column| column.id).collect()
    }

    /// Whether rows that are alike in these values are alike in all.
    pub(super) fn is_settled_by(&self, values: &Ids) -> bool {
        self.keys.iter().any(|key| key.is_subset(values)) || self.ids().is_subset(values)
    }

    /// The fewest values that are missing for rows that are alike in these to be alike in all.
    pub(super) fn missing(&self, values: &Ids) -> Ids {
        let missing = |key: &Ids| key.difference(values).copied().collect::<Ids>();
        let keys = self.keys.iter().map(missing);
        let least = keys.min_by_key(BTreeSet::len);
        least.unwrap_or_else(|| missing(&self.ids()))
    }

    /// Forgets keys of which a value is gone.
    pub(super) fn keep_whole_keys(&mut self) {
        let ids = self.ids();
        self.keys.retain(|key| key.is_subset(&ids));
    }

    /// Gives one value the number of another that is always equal.
    pub(super) fn equate(&mut self, value: usize, with: usize) {
        for column in self.columns.iter_mut().filter(|column| column.id == value) {
            column.id = with;
        }
        for key in &mut self.keys {
            if key.remove(&value) {
                key.insert(with);
            }
        }
    }

    /// Both sides beside each other, as an inner join has them.
    pub(super) fn beside(self, other: Self) -> Self {
        let both = |one: &Ids| {
            let pairs = other
                .keys
                .iter()
                .map(move |other| one.union(other).copied().collect());
            pairs.collect::<Vec<Ids>>()
        };
        Self {
            keys: self.keys.iter().flat_map(both).collect(),
            columns: self.columns.into_iter().chain(other.columns).collect(),
            present: self.present.into_iter().chain(other.present).collect(),
            is_mixed: self.is_mixed || other.is_mixed,
        }
    }
}
