//! Results as `--json` wrote them, one file a bench, read back. What a later or earlier version said more or less of a row
//! is no matter.

use super::super::report::is_cost;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One bench's results.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Results {
    /// Its name.
    pub name: String,
    /// Its rows.
    #[serde(default)]
    pub rows: Vec<Row>,
}

/// One number.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The measure.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// Who else was measured in the same run.
    #[serde(default)]
    pub peer: Option<String>,
    /// The other's measure.
    #[serde(default)]
    pub peer_value: Option<f64>,
    /// The measure over the other's.
    #[serde(default)]
    pub ratio: Option<f64>,
    /// By design: the least ratio beside a peer, the most otherwise.
    #[serde(default)]
    pub bound: Option<f64>,
    /// The least and most of several runs.
    #[serde(default)]
    pub min: Option<f64>,
    /// As above.
    #[serde(default)]
    pub max: Option<f64>,
    /// Whether it is within its limits.
    #[serde(default)]
    pub ok: bool,
}

impl Row {
    /// Whether less is better: costs, sizes and waits are told in these units.
    pub fn is_cost(&self) -> bool {
        is_cost(&self.unit)
    }

    /// What a later run is held against: the ratio where there is a peer, since both suffer from the machine alike.
    pub fn figure(&self) -> f64 {
        self.ratio.unwrap_or(self.value)
    }
}

/// All results of a folder by the name of their file; files that are none are left out.
///
/// # Errors
/// The folder cannot be read.
pub fn folder(folder: &Path) -> Result<BTreeMap<String, Results>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut all = BTreeMap::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_json = path.extension().is_some_and(|ending| ending == "json");
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_json) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if let Ok(results) = serde_json::from_str::<Results>(&text) {
            all.insert(stem.to_owned(), results);
        }
    }
    Ok(all)
}
