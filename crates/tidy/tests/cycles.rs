//! Tests the check of module imports on small made-up crates: what counts as an import, and the reported problems.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail it")]

use std::collections::BTreeMap;

use strongroom_tidy::modules::{self, Crate, Order};

/// The problems of a crate of these files, without those about the missing order.
fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let found = read(files).check(&[]);
    found.into_iter().filter(|problem| !problem.contains("has no order")).collect()
}

fn read(files: &[(&str, &str)]) -> Crate {
    let sources = files.iter().map(|(name, text)| (format!("src/{name}"), (*text).to_owned())).collect();
    Crate::read("crates/x", &["src/lib.rs".to_owned()], &sources)
}

#[track_caller]
fn cycle(files: &[(&str, &str)], expected: &str) {
    let found = problems(files);
    let [problem] = &found[..] else { panic!("expected one cycle, found {found:#?}") };
    assert_eq!(problem, expected);
}

#[track_caller]
fn sound(files: &[(&str, &str)]) {
    let found = problems(files);
    assert!(found.is_empty(), "{found:#?}");
}

/// The problems of a crate in which `a` imports `b`, and `b` contains this code.
fn with_b(b: &str) -> Vec<String> {
    problems(&[
        ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use a::open as open_it;"),
        (
            "a.rs",
            "use crate::b::B;\npub struct A;\npub trait T {}\npub const N: usize = 1;\npub fn open() -> B { B }",
        ),
        ("b.rs", &format!("pub struct B;\n{b}")),
    ])
}

#[test]
fn a_cycle_is_reported_with_the_place_of_each_import() {
    cycle(
        &[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "//! A.\n\nuse crate::b::B;"),
            ("b.rs", "use super::a;\npub struct B;"),
        ],
        "crates/x: import cycle: a → b → a\n    \
         a imports b at crates/x/src/a.rs:3 (crate::b::B)\n    \
         b imports a at crates/x/src/b.rs:1 (super::a)",
    );
}

#[test]
fn a_cycle_of_three_is_one_problem() {
    cycle(
        &[
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "use crate::b;"),
            ("b.rs", "use crate::c;"),
            ("c.rs", "use crate::a;"),
        ],
        "crates/x: import cycle: a → b → c → a\n    \
         a imports b at crates/x/src/a.rs:1 (crate::b)\n    \
         b imports c at crates/x/src/b.rs:1 (crate::c)\n    \
         c imports a at crates/x/src/c.rs:1 (crate::a)",
    );
}

#[test]
fn every_kind_of_import_counts() {
    for b in [
        "use crate::a::A;",
        "use crate::a::*;",
        "use crate::a;",
        "use crate::a::{self, T};",
        "use crate::{a::A as Other};",
        "use crate::a::A as _;",
        "pub(crate) use crate::a::A;",
        "use super::a::A;",
        "use super::{a};",
        "use self::super::a::A;",
        // Through a name that the root exports.
        "use crate::A;",
        "use super::A;",
        "use crate::open_it;",
        // Without `use`.
        "fn f() { crate::a::open(); }",
        "fn f() { let _ = super::a::open; }",
        "fn f() { use crate::a::open; open(); }",
        "fn f(_: &crate::a::A) {}",
        "fn f() -> Option<crate::a::A> { None }",
        "fn f<X: crate::a::T>(_: X) {}",
        "fn f<X>(_: X) where X: crate::a::T {}",
        "fn f(_: &dyn crate::a::T) {}",
        "impl crate::a::T for B {}",
        "impl crate::a::A { fn f() {} }",
        "fn f() { <B as crate::a::T>::f() }",
        "const M: usize = crate::a::N;",
        "static M: [u8; crate::a::N] = [0];",
        "type Other = crate::a::A;",
        "struct C { a: crate::a::A }",
        "enum C { A(crate::a::A) }",
        "fn f(x: usize) { match x { crate::a::N => {} _ => {} } }",
        "mod inner { use super::super::a::A; }",
        "mod inner { fn f() { crate::a::open(); } }",
        // In the arguments of macros, which are tokens.
        "fn f() { println!(\"{}\", crate::a::N); }",
        "fn f() { assert!(matches!(x, Some(super::a::A { .. })), \"{}\", 1); }",
        "thread_local! { static X: crate::a::A = B.into(); }",
        "macro_rules! m { () => { $crate::a::open() } }",
        // Under conditions other than tests.
        "#[cfg(unix)]\nuse crate::a::A;",
        "#[cfg(not(test))]\nuse crate::a::A;",
        "#[cfg(any(test, fuzzing))]\nuse crate::a::A;",
    ] {
        let found = with_b(b);
        assert_eq!(found.len(), 1, "{b}: {found:#?}");
        assert!(found[0].contains("a → b → a"), "{b}: {found:#?}");
    }
}

#[test]
fn other_mentions_do_not_count_as_imports() {
    for b in [
        "",
        "use std::fmt;",
        "use ::a::A;",
        "fn f() { ::a::open(); }",
        "/// See [`A`](crate::a::A).\nfn f() {}",
        "#[doc = \"crate::a::A\"]\nfn f() {}",
        "// use crate::a::A;",
        "fn f() -> &'static str { \"crate::a::A\" }",
        "pub(in crate::a) fn f() {}",
        "fn f(a: Option<B>) { a.map(drop); }",
        "fn f() { let a = 1; println!(\"{}\", a); x.crate_a(); }",
        "#[cfg(test)]\nuse crate::a::A;",
        "#[cfg(all(test, unix))]\nuse crate::a::A;",
        "#[cfg(test)]\nmod tests { use crate::a::A; }",
        "#[cfg(test)]\nmod tests;",
        "#[cfg(test)]\nfn f() { crate::a::open(); }",
        "impl B { #[cfg(test)] fn f() { crate::a::open(); } }",
        // Its own items.
        "use self::inner::X;\nmod inner { pub struct X; }",
        "use crate::b::B as Same;",
    ] {
        let found = with_b(b);
        let found: Vec<_> = found.iter().filter(|problem| !problem.contains("was not found")).collect();
        assert!(found.is_empty(), "{b}: {found:#?}");
    }
}

#[test]
fn a_root_may_assemble_its_modules_and_export_them() {
    sound(&[
        ("lib.rs", "mod a;\nmod b;\npub use a::A;\nuse b::B;\npub fn f() -> B { b::new() }"),
        ("a.rs", "use crate::b::B;\npub struct A;"),
        ("b.rs", "pub struct B;\npub fn new() -> B { B }"),
    ]);
}

#[test]
fn modules_may_use_items_that_a_root_defines() {
    sound(&[
        ("lib.rs", "mod a;\npub use a::A;\npub type Result<T> = std::result::Result<T, ()>;"),
        ("a.rs", "use crate::Result;\npub struct A;"),
    ]);
}

#[test]
fn a_root_may_not_do_both() {
    let expected = "crates/x: import cycle: a → lib → a\n    \
                    a imports lib at crates/x/src/a.rs:1 (crate::Result)\n    \
                    lib imports a at crates/x/src/lib.rs:3 ";
    let a = ("a.rs", "use crate::Result;\npub struct A;");
    // By a `use` line, by a path in code, and by a name that it exports.
    cycle(&[("lib.rs", "mod a;\npub struct Result;\nuse a::A;"), a], &format!("{expected}(a::A)"));
    cycle(&[("lib.rs", "mod a;\npub struct Result;\nfn f(_: a::A) {}"), a], &format!("{expected}(a::A)"));
    cycle(
        &[("lib.rs", "mod a; pub use a::A;\npub struct Result;\nfn f(_: A) {}"), a],
        &format!("{expected}(A)"),
    );
}

#[test]
fn cycles_inside_of_a_directory_are_found() {
    let a = "crates/x/src/d: import cycle: a → mod → a\n    \
             a imports mod at crates/x/src/d/a.rs:1 (super::Shared)\n    \
             mod imports a at crates/x/src/d/mod.rs:3 (a::f)";
    let inside = ("d/a.rs", "use super::Shared;\npub fn f(_: Shared) {}");
    cycle(
        &[("lib.rs", "mod d;"), ("d/mod.rs", "mod a;\npub struct Shared;\nfn g() { a::f(Shared) }"), inside],
        a,
    );
    // With the directory's own file next to the directory.
    let b = a.replace("mod → ", "d → ").replace("→ mod", "→ d").replace("imports mod", "imports d");
    let b = b.replace("    mod imports", "    d imports").replace("src/d/mod.rs", "src/d.rs");
    cycle(
        &[("lib.rs", "mod d;"), ("d.rs", "mod a;\npub struct Shared;\nfn g() { a::f(Shared) }"), inside],
        &b,
    );
}

#[test]
fn a_directory_is_one_module_of_those_around_it() {
    cycle(
        &[
            ("lib.rs", "mod d;\nmod e;"),
            ("d/mod.rs", "mod a;\nmod b;\npub use b::B;"),
            ("d/a.rs", "use crate::e::E;"),
            ("d/b.rs", "pub struct B;"),
            // `B` is defined in `d::b`, which is in `d`.
            ("e.rs", "use crate::d::B;\npub struct E;"),
        ],
        "crates/x: import cycle: d → e → d\n    \
         d imports e at crates/x/src/d/a.rs:1 (crate::e::E)\n    \
         e imports d at crates/x/src/e.rs:1 (crate::d::B)",
    );
}

#[test]
fn a_name_is_resolved_to_its_definition() {
    // `x` uses names of `d` that are defined in `d::low`; it does not import `d::high`, which imports `x`.
    sound(&[
        ("lib.rs", "mod d;\npub use d::*;"),
        ("d/mod.rs", "mod high;\nmod low;\nmod x;\npub use low::*;\npub use high::High;"),
        ("d/high.rs", "use super::x::X;\npub struct High;"),
        ("d/low.rs", "pub struct Low;"),
        ("d/x.rs", "use super::Low;\nuse crate::Low as Same;\npub struct X;"),
    ]);
    // A name of another crate imports no module of this one.
    sound(&[
        ("lib.rs", "mod a;\npub use bytes::Bytes;\nfn f() { a::f() }"),
        ("a.rs", "use crate::Bytes;\npub fn f() {}"),
    ]);
    // An exported macro has a name in the root, but is defined in its module.
    sound(&[
        ("lib.rs", "mod a;\nmod b;\nfn f() { a::f() }"),
        ("a.rs", "pub fn f() { crate::m!() }"),
        ("b.rs", "#[macro_export]\nmacro_rules! m { () => {} }"),
    ]);
    // Names that refer to each other resolve to nothing.
    sound(&[("lib.rs", "mod a;\npub use self::x as y;\npub use self::y as x;"), ("a.rs", "use crate::x;")]);
}

#[test]
fn files_are_found_as_rustc_finds_them() {
    sound(&[
        ("lib.rs", "mod a;\nmod inner { mod deep; }\n#[path = \"else/where.rs\"]\nmod named;"),
        ("a.rs", "mod b;\nmod inner { mod deep; }\n#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;"),
        ("a_tests.rs", ""),
        ("a/b.rs", "mod c;"),
        ("a/b/c.rs", ""),
        ("a/inner/deep.rs", ""),
        ("inner/deep.rs", ""),
        ("else/where.rs", ""),
    ]);
    assert_eq!(
        problems(&[("lib.rs", "mod a;")]),
        ["crates/x/src/a.rs is declared as a module, but was not found"]
    );
    assert_eq!(
        problems(&[("lib.rs", ""), ("a.rs", "")]),
        ["crates/x/src/a.rs belongs to no module and is never compiled"]
    );
    let unreadable = problems(&[("lib.rs", "mod a;"), ("a.rs", "\nfn {")]);
    assert!(unreadable[0].starts_with("crates/x/src/a.rs:2 could not be parsed: "), "{unreadable:?}");
}

/// Parses a document with these lines in a block.
fn orders(lines: &str) -> Vec<Order> {
    let (orders, problems) =
        modules::read_orders(&format!("# Text\n\n```text\n{lines}\n```\nmodules of nothing"));
    assert!(problems.is_empty(), "{problems:?}");
    orders
}

/// `a` imports `b`, which imports `d::x` and with it `d`; `c` imports nothing.
fn chain() -> Crate {
    read(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\nfn f() { a::f() }"),
        ("a.rs", "use crate::b;"),
        ("b.rs", "use crate::d::x;"),
        ("c.rs", ""),
        ("d/mod.rs", "mod x;\nmod y;"),
        ("d/x.rs", "use super::y;"),
        ("d/y.rs", ""),
    ])
}

#[test]
fn imports_point_down_in_the_declared_order() {
    for lines in ["modules of crates/x\na\nb, c: what they are\nd", "modules of crates/x:\nlib\na\nc\nb\nd"] {
        let found = chain().check(&orders(lines));
        assert!(found.is_empty(), "{found:?}");
    }
    assert_eq!(
        chain().check(&orders("modules of crates/x\nb\na, c\nd")),
        ["crates/x/src/a.rs:1 (crate::b): a imports b, which is above it in the order of crates/x in \
          docs/ARCHITECTURE.md: imports point down"]
    );
    assert_eq!(
        chain().check(&orders("modules of crates/x\na, b\nc, d")),
        [
            "crates/x/src/a.rs:1 (crate::b): a imports b, which is on the same line in the order of crates/x in \
          docs/ARCHITECTURE.md: imports point down"
        ]
    );
    // The root is above all others, unless it has a line.
    let below = chain().check(&orders("modules of crates/x\na\nb, c\nd\nlib"));
    assert!(below[0].contains("lib imports a, which is above it"), "{below:?}");
}

#[test]
fn a_directory_may_have_an_order_too() {
    let outer = "modules of crates/x\na\nb, c\nd\n```\n```text\n";
    let down = chain().check(&orders(&format!("{outer}modules of crates/x/src/d\nx\ny")));
    assert!(down.is_empty(), "{down:?}");
    let up = chain().check(&orders(&format!("{outer}modules of crates/x/src/d\ny\nx")));
    assert!(up[0].starts_with("crates/x/src/d/x.rs:1 (super::y): x imports y, which is above it"), "{up:?}");
}

#[test]
fn one_order_may_apply_to_many_crates() {
    let found = chain().check(&orders("modules of crates/*\na\nb, c, z\nd"));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_module_must_be_in_the_order() {
    assert_eq!(
        chain().check(&orders("modules of crates/x\na\nb\nd")),
        [
            "crates/x has a module c that is missing from its order in docs/ARCHITECTURE.md: add it to the right line"
        ]
    );
    assert_eq!(
        chain().check(&orders("modules of crates/y\na")),
        ["crates/x has no order of modules: add a block to docs/ARCHITECTURE.md, such as\n\
          modules of crates/x\na\nb\nc, d"]
    );
    // A single file needs no order.
    assert!(read(&[("lib.rs", "")]).check(&[]).is_empty());
}

#[test]
fn a_name_without_a_module_is_reported() {
    let directories: BTreeMap<_, _> = chain().directories();
    let found = modules::check_stale(&orders("modules of crates/x\na, b\nc, d, gone"), &directories);
    assert_eq!(found, ["the order of crates/x in docs/ARCHITECTURE.md names gone, which does not exist"]);
    // In an order for many crates, one crate with the module suffices.
    let more = directories.into_iter().chain([("crates/y".to_owned(), ["z".to_owned()].into())]).collect();
    assert!(modules::check_stale(&orders("modules of crates/*\na, b\nc, d, z"), &more).is_empty());
}

#[test]
fn duplicates_in_an_order_are_reported() {
    let (_, problems) =
        modules::read_orders("```\nmodules of crates/x\na, b\na\n```\n```\nmodules of crates/x\nc\n```");
    assert_eq!(
        problems,
        ["the order of crates/x names a twice", "two blocks define the order of crates/x: remove one"]
    );
}
