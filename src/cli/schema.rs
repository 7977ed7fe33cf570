//! `hangar schema`: the JSON Schemas of the spec kinds.

use super::args::Schema;
use super::exit::{CliError, Exit};
use super::output;
use crate::spec::document::Kind;
use crate::spec::schema::{schema, schema_file};

pub(super) fn run(args: &Schema) -> Result<Exit, CliError> {
    if let Some(folder) = &args.write {
        std::fs::create_dir_all(folder).map_err(CliError::io(format!("`{}` cannot be made", folder.display())))?;
        for kind in Kind::ALL {
            let path = folder.join(schema_file(kind));
            let text = format!("{:#}\n", schema(kind));
            std::fs::write(&path, text).map_err(CliError::io(format!("`{}` cannot be written", path.display())))?;
        }
        return Ok(Exit::Ok);
    }
    let name = args.kind.as_deref().unwrap_or_default();
    let kind = Kind::named(name).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        CliError::Usage(format!("there is no kind `{name}`; the kinds are {}", known.join(", ")))
    })?;
    output::data(&format!("{:#}\n", schema(kind)));
    Ok(Exit::Ok)
}
