use hangar::spec::*;
#[test]
fn explore() {
    for t in ["apiVersion: hangar/v1\nkind: Environment\nmetadata: {name: staging}\nspec:\n  clas: preview\n  ttl: {max: 5 fortnights}\n  expiresAt: tomorrow\n  fly:\n    org: acme\n    netwrk: shared\n    apps:\n      server:\n        image: 5\n        count: two\n        memory: 512\n        size: shared-cpu-1x\n        processes: [a]\n        env: {A: 1.10, B: true, C: null, D: [x]}\n        secrets:\n          S: hunter2\n          T: {fromEnv: X, value: y}\n          U: {fromenv: X}\n          V: {}\n          W: {generate: {length: -1, charset: emoji}}\n        services:\n          - internal_port: 8080\n            ports: [{port: 70000, handlers: [https]}, {prt: 1}]\n            checks:\n              - type: http\n                interval: 30\n                timeout: 1 month\n        volumes: {data: {size: 1GiB}}\n        files:\n          - {path: /x, mode: 0644}\n        command: 'bin \"x'\n      other: text\n      third: {services: {internalPort: 1}, cpu: [shared], tty: 'yes'}\n  vercel: {a: b}\n",
      "apiVersion: hangar/v2\nkind: Enviroment\nmetadata: {name: x}\nspec: {}\n---\nkind: PreviewSet\n---\n- a\n---\napiVersion: hangar/v1\nkind: Policy\nmetadata: {}\nspec: {maxVolumeSize: 10}\n",
      "", "# only\n---\n---\n", "a:\n\tb: 1\n", "a: [1, 2\nb: 3\n", "a: *nope\n", "a: &a [*a]\n", "a: .inf\n", "? [a, b]\n: c\n", "a: 'abc\n", "a: b: c\n", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", &"[".repeat(200), "a\u{0}b: 1", "just text", "apiVersion: hangar/v1\nkind: Controller\nkind: Controller\nmetadata: {name: a, name: b}\nspec: {1: a, 1: b, owner: a}", "a: ${{ x }}\n", "a: %x\n", "a: 1\n b: 2\n", "a: 'b\n'\nc: @x"] {
        println!("=====");
        match parse(&[SourceFile{path: "envs/demo.yaml".into(), bytes: t.as_bytes().to_vec()}]) {
            Ok(s) => println!("{s:#?}"),
            Err(d) => println!("{}", d.render(false)),
        }
    }
}
