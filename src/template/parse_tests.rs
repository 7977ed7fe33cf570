use super::*;

fn one(text: &str) -> Expression {
    parse(text).unwrap().expressions().next().unwrap().clone()
}

#[test]
fn literals_and_expressions_alternate() {
    let template = parse("a-${{ env.name }}-b${{params.x}}").unwrap();
    let shape: Vec<String> = template
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => format!("'{text}'"),
            Segment::Expression(expression) => expression.path.to_string(),
        })
        .collect();
    assert_eq!(shape, ["'a-'", "env.name", "'-b'", "params.x"]);
}

#[test]
fn a_doubled_dollar_escapes() {
    for (text, literal) in [("$${{ env.name }}", "${{ env.name }}"), ("a $${{", "a ${{"), ("$$x", "$$x")] {
        let template = parse(text).unwrap();
        let joined: String = template
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => text.as_str(),
                Segment::Expression(_) => panic!("no expression in {text}"),
            })
            .collect();
        assert_eq!(joined, literal);
    }
}

#[test]
fn filters_take_texts_and_numbers() {
    let expression = one(r#"${{ params.a | default("}} | \"x\"") | truncate( 12 ) | replace('a', "b") | lower }}"#);
    let shown: Vec<(String, Vec<Argument>)> =
        expression.filters.into_iter().map(|filter| (filter.name, filter.arguments)).collect();
    assert_eq!(
        shown,
        [
            ("default".to_owned(), vec![Argument::Text("}} | \"x\"".to_owned())]),
            ("truncate".to_owned(), vec![Argument::Number(12)]),
            ("replace".to_owned(), vec![Argument::Text("a".to_owned()), Argument::Text("b".to_owned())]),
            ("lower".to_owned(), vec![]),
        ]
    );
}

#[test]
fn a_key_with_dots_is_written_in_brackets() {
    assert_eq!(one(r#"${{ labels["app.example.com/tier"] }}"#).path.words, ["labels", "app.example.com/tier"]);
}

#[test]
fn problems_point_at_their_place() {
    for (text, span, message) in [
        ("x ${{ env.name", 2..14, "this expression is not closed"),
        ("${{ }}", 4..5, "expected a path such as `env.name`, found `}`"),
        ("${{ env. }}", 8..9, "expected a name after the dot, found ` `"),
        ("${{ a b }}", 6..7, "expected `|` or `}}`, found `b`"),
        ("${{ a | }}", 8..9, "expected the name of a filter, found `}`"),
        ("${{ a | f(x) }}", 10..11, "expected a quoted text or a whole number, found `x`"),
        ("${{ a | f(1 2) }}", 12..13, "expected `,` or `)`, found `2`"),
        ("${{ a[b] }}", 6..7, "expected a quoted text, found `b`"),
        ("é\u{E000}", 2..5, "the characters U+E000 and U+E001 are not allowed in specs"),
        ("a\u{E001}b", 1..4, "the characters U+E000 and U+E001 are not allowed in specs"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.span.clone(), error.to_string().as_str()), (span, message), "{text}");
    }
}

#[test]
fn the_work_is_bounded() {
    assert!(parse(&"${{ a }}".repeat(101)).is_err());
    assert!(parse(&format!("${{{{ a {} }}}}", "| lower ".repeat(17))).is_err());
    assert!(parse(&format!("${{{{ a }}}}{}", "x".repeat(MAX_LENGTH))).is_err());
    assert!(parse(&"x".repeat(10 * MAX_LENGTH)).is_ok(), "plain text may be long");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\$\\{\\{|\\}\\}|[a-z.|()'\"\\\\ é0-9\\[\\]$])*") {
        if let Err(error) = parse(&text) {
            assert!(text.get(error.span.clone()).is_some(), "{error:?} points into {text:?}");
        }
    }
}
