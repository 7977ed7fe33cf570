//! Files that are written into machines and containers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::LowerError;
use super::wire::object;
use crate::resource::output;
use crate::spec::AppSpec;
use crate::spec::container::ContainerFile;
use crate::spec::storage::FileSource;

/// Reads a local file by its path relative to the spec; the error says why it cannot be read.
pub(crate) type LoadFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// The files of one group.
pub(super) fn files(app: &AppSpec, group: &str, load: &LoadFile<'_>) -> Result<Vec<Value>, LowerError> {
    let is_in = |processes: &[String]| processes.is_empty() || processes.iter().any(|name| name == group);
    app.files
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, file)| is_in(&file.processes))
        .map(|(index, file)| entry(&file.path, file.source(), file.mode, &format!("/files/{index}"), load))
        .collect()
}

/// The files of the container at `index`.
pub(super) fn container_files(
    files: &[ContainerFile],
    index: usize,
    load: &LoadFile<'_>,
) -> Result<Vec<Value>, LowerError> {
    let pointer = |file: usize| format!("/containers/{index}/files/{file}");
    files
        .iter()
        .enumerate()
        .map(|(file_index, file)| entry(&file.path, file.source(), file.mode, &pointer(file_index), load))
        .collect()
}

fn entry(
    path: &str,
    source: Option<FileSource<'_>>,
    mode: Option<u32>,
    pointer: &str,
    load: &LoadFile<'_>,
) -> Result<Value, LowerError> {
    let error = |key: &str, message: String| LowerError { pointer: format!("{pointer}{key}"), message };
    let (key, value) = match source {
        // Inside base64 nobody would find the placeholder again.
        Some(FileSource::Content(text)) if !output::waits_for(text).is_empty() => {
            let message =
                "a file's content cannot hold values that are known only after something is created".to_owned();
            return Err(error("/content", message));
        }
        Some(FileSource::Content(text)) => ("raw_value", STANDARD.encode(text)),
        Some(FileSource::Base64(text)) => match STANDARD.decode(text) {
            Ok(bytes) => ("raw_value", STANDARD.encode(bytes)),
            Err(problem) => return Err(error("/base64", format!("this is not base64: {problem}"))),
        },
        Some(FileSource::FromFile(file)) => match load(file) {
            Ok(bytes) => ("raw_value", STANDARD.encode(bytes)),
            Err(problem) => return Err(error("/fromFile", format!("`{file}` cannot be read: {problem}"))),
        },
        Some(FileSource::Secret(name)) => ("secret_name", name.to_owned()),
        Some(FileSource::ImageConfig(name)) => ("image_config", name.to_owned()),
        None => {
            let message = "a file needs exactly one of `content`, `base64`, `fromFile` and `secret`".to_owned();
            return Err(error("", message));
        }
    };
    Ok(object([("guest_path", Some(json!(path))), (key, Some(json!(value))), ("mode", mode.map(Value::from))]))
}
