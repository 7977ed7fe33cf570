//! Nothing that is put into a file makes the reader panic or hang.

use hangar::spec::{SourceFile, parse};
use proptest::prelude::*;

use super::support::with_app;

fn read_and_render(bytes: Vec<u8>) {
    let result = parse(&[SourceFile { path: "x.yaml".into(), bytes }]);
    if let Err(problems) = result {
        assert!(!problems.render(false).is_empty());
        for problem in &problems {
            assert!(!problem.message.is_empty());
        }
    }
}

fn whole_spec() -> String {
    with_app(
        "env: {A: 1.10, B: \"ü ${{ env.name }}\"}\nsecrets: {S: {generate: {length: 32}}}\nservices:\n  - internalPort: 8080\n    \
         ports: [{port: 443, handlers: [http, tls]}]\n    checks: [{type: http, interval: 15s}]\nvolumes: {data: {size: 1GB, mount: /data}}\n\
         containers: &c\n  - name: a\n    command: |\n      bin/a\n      --b\nfiles: [{path: /x, content: 'y', mode: 0o644}]",
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_and_render(bytes);
    }

    #[test]
    fn any_text_of_yaml_characters_is_read_without_panic(text in "[ \\n\\t:\\-\\[\\]{}&*!|>'\"#%@,?a-c0-9é~<.]{0,120}") {
        read_and_render(text.into_bytes());
    }

    #[test]
    fn a_spec_with_a_piece_replaced_is_read_without_panic(
        start in 0_usize..700, length in 0_usize..40, piece in "[ \\n:\\-\\[\\]{}&*!|>'\"#,~a-c0-9é]{0,8}",
    ) {
        let spec = whole_spec();
        let chars: Vec<char> = spec.chars().collect();
        let start = start.min(chars.len());
        let end = (start + length).min(chars.len());
        let text: String = chars[..start].iter().copied().chain(piece.chars()).chain(chars[end..].iter().copied()).collect();
        read_and_render(text.into_bytes());
    }
}

#[test]
fn the_spec_that_is_mutated_is_sound() {
    assert_eq!(super::support::problems(&whole_spec()), Vec::<String>::new());
}
