//! Small worlds of spec files.

use hangar::spec::{AppSpec, Diagnostics, ParsedSpecs, SourceFile, parse};

/// A file of this text.
pub(crate) fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.into(), bytes: text.as_bytes().to_vec() }
}

/// Reads one file.
pub(crate) fn read(text: &str) -> Result<ParsedSpecs, Diagnostics> {
    parse(&[file("envs/demo.yaml", text)])
}

/// Reads one file that must be sound.
pub(crate) fn sound(text: &str) -> ParsedSpecs {
    read(text).unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

/// The problems of one file that must have some, each as `line:column message (help)`, in the order of lines.
pub(crate) fn problems(text: &str) -> Vec<String> {
    listed(&read(text).map_or_else(|problems| problems, |specs| specs.warnings))
}

/// Problems as `line:column message (help)`, in the order of lines.
pub(crate) fn listed(problems: &Diagnostics) -> Vec<String> {
    let mut problems: Vec<_> = problems.iter().collect();
    problems.sort_by_key(|problem| (&problem.file, problem.line, problem.column));
    problems
        .into_iter()
        .map(|problem| {
            let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}:{} {}{help}", problem.line, problem.column, problem.message)
        })
        .collect()
}

/// An environment `staging` whose app `server` has these lines besides its image.
pub(crate) fn with_app(lines: &str) -> String {
    let lines = lines.lines().map(|line| format!("        {line}\n")).collect::<Vec<_>>().concat();
    format!(
        "apiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: staging}}\nspec:\n  fly:\n    org: acme\n    region: iad\n    \
         apps:\n      server:\n        image: registry.fly.io/acme:1\n{lines}"
    )
}

/// The app `server` of [`with_app`].
pub(crate) fn app(lines: &str) -> AppSpec {
    sound(&with_app(lines)).environments[0].spec.fly.as_ref().unwrap().apps["server"].clone()
}

/// The problems of the app `server` of [`with_app`]; its first line is line 11, its first column 9.
pub(crate) fn app_problems(lines: &str) -> Vec<String> {
    problems(&with_app(lines))
}

/// A document of a kind and name with this spec in flow style.
pub(crate) fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: hangar/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}
