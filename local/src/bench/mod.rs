//! `cargo run --release -- bench`: figures.

mod meter;
mod reads;

use std::path::Path;

use anyhow::Result;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::StoresOptions;
pub use reads::{PageCost, page_costs};

/// Prints what a page of 20 of each list reads, in logs of these sizes.
pub async fn reads(template: &Path, sizes: &[u64]) -> Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["events in the log", "list", "entries", "calls", "read units"]);
    for &events in sizes {
        let options = StoresOptions { template: template.to_owned(), ..StoresOptions::default() };
        for cost in page_costs(&options, events).await? {
            table.add_row([
                events.to_string(),
                cost.list.to_owned(),
                cost.entries.to_string(),
                cost.calls.to_string(),
                cost.read_units.to_string(),
            ]);
        }
    }
    for number in [0, 2, 3, 4] {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
    Ok(())
}
