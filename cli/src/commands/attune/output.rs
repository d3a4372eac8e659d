//! Results in the shape that was asked for, and what happens on the way.

use packhouse_client::attune::Event;
use packhouse_core::escape::printable;
use serde_json::Value;

use crate::args::{Shape, Shown, ShownShort};
use crate::ui::Ui;

impl Shown {
    /// The shape that is meant.
    pub(crate) fn shape(&self, ui: &Ui) -> Shape {
        match self.output {
            Shape::Table => self.short.shape(ui),
            other => other,
        }
    }
}

impl ShownShort {
    /// The shape that is meant.
    pub(crate) fn shape(&self, ui: &Ui) -> Shape {
        match (self.as_json || ui.json, self.as_yaml) {
            (true, _) => Shape::Json,
            (false, true) => Shape::Yaml,
            (false, false) => Shape::Table,
        }
    }
}

/// Prints `value` as JSON or YAML, or `table`.
pub(super) fn print(
    ui: &Ui,
    shape: Shape,
    value: &Value,
    table: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    match shape {
        Shape::Table => ui.print(&table()),
        Shape::Json => ui.print_json(value),
        Shape::Yaml => {
            let mut text = String::new();
            yaml(value, 0, &mut text);
            ui.print(text.trim_start_matches('\n'))?;
            ui.print("\n")
        }
    }
}

/// `value` as YAML: lists and maps in lines, texts as JSON has them, which YAML 1.2 reads.
fn yaml(value: &Value, depth: usize, out: &mut String) {
    let line = |out: &mut String| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                line(out);
                out.push('-');
                yaml_inside(item, depth, out);
            }
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                line(out);
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                yaml_inside(value, depth, out);
            }
        }
        plain => out.push_str(&plain.to_string()),
    }
}

fn yaml_inside(value: &Value, depth: usize, out: &mut String) {
    let nested = match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => false,
    };
    if nested {
        yaml(value, depth + 1, out);
    } else {
        out.push(' ');
        yaml(value, depth, out);
    }
}

/// Tells an event: one line for people, one JSON object for programs.
pub(super) fn tell(ui: &Ui, shape: Shape, event: &Event) {
    if shape == Shape::Json {
        if let Ok(line) = serde_json::to_string(event) {
            let _ = ui.print(&(line + "\n"));
        }
        return;
    }
    let (sign, text) = match event {
        Event::StepCompleted { step, message } => ("✓", format!("{step}: {message}")),
        Event::Warning { message } => ("⚠", message.clone()),
        Event::Info { message } => ("·", message.clone()),
        Event::Verifying { checksum } => ("·", format!("verifying {checksum}")),
        Event::Extracting { file } => ("·", format!("extracting {file}")),
        Event::Downloading { url, bytes, total } if total.is_none_or(|all| all == *bytes) => {
            ("·", format!("{} from {url}", crate::ui::size(*bytes)))
        }
        Event::Downloading { .. } | Event::StepStarted { .. } => return,
    };
    if !ui.quiet || sign == "⚠" {
        ui.text(&format!("{sign} {}\n", printable(&text)));
    }
}

/// A table of columns as wide as they need to be.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default().min(60)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_what_json_is() {
        let value = serde_json::json!({
            "a": [1, "x: y", {"b": null, "c": []}, [true]], "d": {"e": "- f\n"}, "g": {},
        });
        let mut text = String::new();
        yaml(&value, 0, &mut text);
        assert_eq!(
            text,
            "\n\"a\":\n  - 1\n  - \"x: y\"\n  -\n    \"b\": null\n    \"c\": []\n  -\n    - true\n\"d\":\n  \"e\": \"- f\\n\"\n\"g\": {}"
        );
    }
}
