//! `byway bench report FOLDER`: writes `table.md` and an SVG for each bench beside their JSON; says what became worse.

use super::{compare, plot, read, table};
use crate::cli::command::{fail, tell};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Does it; 0 also when something became worse, which is told.
pub fn report(folder: &Path, before: Option<&PathBuf>) -> ExitCode {
    match write(folder, before) {
        Ok(said) => tell(said.join("\n")),
        Err(why) => fail(why),
    }
}

fn write(folder: &Path, before: Option<&PathBuf>) -> Result<Vec<String>, String> {
    let all = read::folder(folder)?;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    put("table.md", &table::markdown(&all))?;
    for (bench, results) in &all {
        put(&format!("{bench}.svg"), &plot::svg(bench, results))?;
    }
    let rows = || all.values().flat_map(|results| &results.rows);
    let mut said = vec![format!("{} benches, {} rows in {}", all.len(), rows().count(), folder.display())];
    said.extend(rows().filter(|row| !row.ok).map(|row| format!("short of its bound: {}", row.name)));
    if let Some(before) = before {
        let worse = compare::worse(&all, &read::folder(before)?);
        said.push(format!("{} rows are worse than the results in {}", worse.len(), before.display()));
        said.extend(worse);
    }
    Ok(said)
}
