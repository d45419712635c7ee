//! Log lines as JSON: what an event says, and beside it what the spans say that it is in. So `run`, `table` and `batch` stand in
//! every line that is about one, at the same place as an event's own fields.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// One object a line. Fields of spans have to be written down as JSON.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        // What an inner span says stands above what an outer one does, and what the event says above both.
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let fields = fields.and_then(|fields| serde_json::from_str::<Map<String, Value>>(fields).ok());
            line.extend(fields.into_iter().flatten());
        }
        event.record(&mut Fields(&mut line));
        let about = event.metadata();
        for (key, value) in [
            (
                "timestamp",
                Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            ),
            ("level", about.level().to_string()),
            ("target", about.target().to_owned()),
        ] {
            line.insert(key.to_owned(), value.into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    pub(in crate::logging) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(in crate::logging) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans_beside_its_own() {
        let kept = Kept::default();
        let builder = tracing_subscriber::fmt().with_writer(kept.clone());
        let logging = builder.fmt_fields(JsonFields::new()).event_format(Lines).finish();
        tracing::subscriber::with_default(logging, || {
            let run = tracing::error_span!("run", run = "2026-03-01T04:00:00Z", table = "all").entered();
            let batch = tracing::error_span!("batch", table = %"jwo.orders", batch = 7).entered();
            tracing::warn!(rows = 3_u64, error = %"a \"b\"", "two\nlines");
            drop(batch);
            tracing::info!(table = "its own", "outside");
            drop(run);
            tracing::info!("alone");
        });
        let text = kept.text();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [within, outside, alone] = &lines[..] else {
            panic!("{text}")
        };
        let said = |line: &Value| {
            let keys = ["run", "table", "batch", "rows", "message", "error", "level"];
            keys.map(|key| line[key].clone())
        };
        assert_eq!(
            said(within),
            [
                "2026-03-01T04:00:00Z".into(),
                "jwo.orders".into(),
                Value::from(7),
                Value::from(3),
                "two\nlines".into(),
                "a \"b\"".into(),
                "WARN".into()
            ]
        );
        assert_eq!(
            (&outside["table"], &outside["batch"]),
            (&"its own".into(), &Value::Null)
        );
        assert_eq!(alone["run"], Value::Null);
        assert!(alone["timestamp"].as_str().unwrap().ends_with('Z') && alone["target"].is_string());
    }
}
