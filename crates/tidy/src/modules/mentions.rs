//! Parses a source file: its modules, its `use` lines and the paths in its code.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItem, Item, Lit, Meta, Stmt, TraitItem, UseTree, Visibility};

/// A mentioned path, such as `crate::error::Error`.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A `use` line.
    Use,
    /// A `pub use`, `pub(crate) use` or similar line.
    Export,
    /// A path in code.
    Code,
}

/// A module: a file, or `mod name { … }` inside one.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) mentions: Vec<Mention>,
    /// The names that `use` lines import, with their paths.
    pub(super) names: Vec<(String, Vec<String>)>,
    /// The paths of `use path::*` lines.
    pub(super) globs: Vec<Vec<String>>,
    /// The names of the items defined here.
    pub(super) items: Vec<String>,
    /// Those that are exported macros: `#[macro_export]` puts them into the crate's root.
    pub(super) exported: Vec<String>,
    pub(super) children: Vec<Child>,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) body: Body,
    /// Whether it is compiled only for tests.
    pub(super) test: bool,
}

#[derive(Debug)]
pub(super) enum Body {
    Inline(Parsed),
    /// A module in its own file, with its `#[path]` if it has one.
    File(Option<String>),
}

/// Parses the text of a file.
pub(super) fn parse(text: &str) -> syn::Result<Parsed> {
    Ok(module(&syn::parse_file(text)?.items))
}

fn module(items: &[Item]) -> Parsed {
    let mut parsed = Parsed::default();
    for item in items {
        let test = is_test(attributes(item));
        match item {
            Item::Mod(module_item) => {
                let body = match &module_item.content {
                    Some((_, items)) => Body::Inline(module(items)),
                    None => Body::File(path_attribute(&module_item.attrs)),
                };
                parsed.children.push(Child { name: module_item.ident.to_string(), body, test });
            }
            _ if test => {}
            Item::Use(item) => {
                let kind = match item.vis {
                    Visibility::Inherited => Kind::Use,
                    _ => Kind::Export,
                };
                // `use ::name` refers to another crate.
                if item.leading_colon.is_none() {
                    let mut leaves = Leaves::default();
                    leaves.add(&item.tree, &[]);
                    parsed.names.extend(leaves.names);
                    parsed.globs.extend(leaves.globs);
                    let mentions = leaves.paths.into_iter().map(|(path, line)| Mention { path, line, kind });
                    parsed.mentions.extend(mentions);
                }
            }
            _ => {
                let is_exported = |attribute: &Attribute| attribute.path().is_ident("macro_export");
                if attributes(item).iter().any(is_exported) {
                    parsed.exported.extend(name(item));
                }
                parsed.items.extend(name(item));
                let mut paths = Paths(&mut parsed.mentions);
                paths.visit_item(item);
            }
        }
    }
    parsed
}

/// The leaves of a `use` line.
#[derive(Default)]
struct Leaves {
    paths: Vec<(Vec<String>, usize)>,
    names: Vec<(String, Vec<String>)>,
    globs: Vec<Vec<String>>,
}

impl Leaves {
    fn add(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| {
            // `use a::{self}` is `use a`.
            let own = (name != "self" || before.is_empty()).then(|| name.to_string());
            before.iter().cloned().chain(own).collect::<Vec<_>>()
        };
        match tree {
            UseTree::Path(tree) => self.add(&tree.tree, &with(&tree.ident)),
            UseTree::Name(tree) => {
                let path = with(&tree.ident);
                self.names.extend(path.last().map(|name| (name.clone(), path.clone())));
                self.paths.push((path, line(&tree.ident)));
            }
            UseTree::Rename(tree) => {
                let path = with(&tree.ident);
                self.names.push((tree.rename.to_string(), path.clone()));
                self.paths.push((path, line(&tree.ident)));
            }
            UseTree::Glob(tree) => {
                self.globs.push(before.to_vec());
                self.paths.push((before.to_vec(), tree.star_token.spans[0].start().line));
            }
            UseTree::Group(tree) => tree.items.iter().for_each(|tree| self.add(tree, before)),
        }
    }
}

fn line(ident: &syn::Ident) -> usize {
    ident.span().start().line
}

/// Collects the paths in code.
struct Paths<'a>(&'a mut Vec<Mention>);

impl Paths<'_> {
    fn add(&mut self, path: Vec<String>, line: usize) {
        self.0.push(Mention { path, line, kind: Kind::Code });
    }

    /// Collects paths from the arguments of a macro, which are only tokens: paths are found by their `::`.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut chain: Option<(Vec<String>, usize)> = None;
        let mut colons = 0;
        // A name after `.` is a field or a method.
        let mut after_dot = false;
        for token in tokens {
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    after_dot = false;
                    continue;
                }
                TokenTree::Ident(ident) => match &mut chain {
                    Some((path, _)) if colons == 2 => path.push(ident.to_string()),
                    _ => {
                        self.finish(chain.take());
                        let new = !after_dot && colons != 2;
                        chain = new.then(|| (vec![ident.to_string()], ident.span().start().line));
                    }
                },
                other => {
                    // `path::<T>` and `path::{…}` end the path; the rest is parsed separately.
                    self.finish(chain.take());
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
            after_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
            colons = 0;
        }
        self.finish(chain);
    }

    fn finish(&mut self, chain: Option<(Vec<String>, usize)>) {
        if let Some((path, line)) = chain {
            // A single name may be anything, so only one in upper case counts, as it may be a type.
            if path.len() > 1 || path[0].starts_with(char::is_uppercase) {
                self.add(path, line);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.add(names, line(&first.ident));
        }
        visit::visit_path(self, path);
    }

    /// A `use` inside a function.
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            let mut leaves = Leaves::default();
            leaves.add(&item.tree, &[]);
            for (path, line) in leaves.paths {
                self.0.push(Mention { path, line, kind: Kind::Use });
            }
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    // Neither `pub(in crate::a)` nor an attribute imports anything.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(item) if is_test(&item.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if !matches!(item, TraitItem::Fn(item) if is_test(&item.attrs)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let test = match statement {
            Stmt::Local(local) => is_test(&local.attrs),
            Stmt::Expr(Expr::Block(block), _) => is_test(&block.attrs),
            _ => false,
        };
        if !test {
            visit::visit_stmt(self, statement);
        }
    }
}

/// Whether an item is compiled only for tests: `#[cfg(test)]`, `#[cfg(all(test, …))]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let mut words = list.tokens.clone().into_iter();
            match (words.next(), words.next()) {
                (Some(TokenTree::Ident(first)), None) => first == "test",
                (Some(TokenTree::Ident(first)), Some(TokenTree::Group(group))) if first == "all" => group
                    .stream()
                    .into_iter()
                    .any(|word| matches!(word, TokenTree::Ident(word) if word == "test")),
                _ => false,
            }
        }
        _ => false,
    })
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
