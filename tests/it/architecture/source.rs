//! One source file, read once: what it names, and how large its parts are.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// A file of the tree.
pub(crate) struct SourceFile {
    /// Path from the root of the checkout.
    pub(crate) path: String,
    /// Lines of the file.
    pub(crate) lines: usize,
    /// Lines that belong to inline test modules.
    pub(crate) test_lines: usize,
    /// Paths named outside of tests, as segments.
    pub(crate) names: Vec<Vec<String>>,
    /// Functions outside of tests: name and lines.
    pub(crate) functions: Vec<(String, usize)>,
    /// Whether anything outside of tests is async.
    pub(crate) is_async: bool,
    /// Methods called outside of tests.
    pub(crate) methods: Vec<String>,
    /// Macros used outside of tests, with their tokens as text.
    pub(crate) macros: Vec<(String, String)>,
    /// Inline modules.
    pub(crate) modules: Vec<String>,
    /// Types with one type argument, as `Api<Secret>`.
    pub(crate) generics: Vec<String>,
}

impl SourceFile {
    /// Reads a file.
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut reader = Reader {
            file: Self {
                path: path.to_owned(),
                lines: text.lines().count(),
                test_lines: 0,
                names: Vec::new(),
                functions: Vec::new(),
                is_async: false,
                methods: Vec::new(),
                macros: Vec::new(),
                modules: Vec::new(),
                generics: Vec::new(),
            },
        };
        reader.visit_file(&file);
        reader.file
    }

    /// The file is about tests alone.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || name.starts_with("tests")
    }

    /// Segments of the module the file holds, `src` and the ending left out.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').collect()
    }
}

struct Reader {
    file: SourceFile,
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let of_test = |list: &syn::MetaList| list.tokens.to_string().contains("test");
        path.is_ident("test")
            || (path.is_ident("cfg") && attribute.meta.require_list().is_ok_and(of_test))
            || path
                .segments
                .last()
                .is_some_and(|last| last.ident == "test")
    })
}

fn lines(span: proc_macro2::Span) -> usize {
    span.end().line + 1 - span.start().line
}

impl Reader {
    fn function(&mut self, name: &syn::Ident, span: proc_macro2::Span, signature: &syn::Signature) {
        self.file.functions.push((name.to_string(), lines(span)));
        self.file.is_async |= signature.asyncness.is_some();
    }

    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let extended = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&extended(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.file.names.push(extended(&name.ident)),
            syn::UseTree::Rename(rename) => self.file.names.push(extended(&rename.ident)),
            syn::UseTree::Glob(_) => self.file.names.push(prefix.to_vec()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(prefix, tree);
                }
            }
        }
    }

    /// Paths inside a macro call, which the parser sees as tokens only.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if colons == 2 || path.is_empty() => {
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Ident(name) => {
                    self.name(std::mem::take(&mut path));
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.name(std::mem::take(&mut path));
                    colons = 0;
                    self.tokens(group.stream());
                }
                _ => {
                    self.name(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.name(path);
    }

    fn name(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.file.names.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (attributes, span) = match item {
            syn::Item::Mod(module) => (&module.attrs, module.span()),
            syn::Item::Fn(function) => (&function.attrs, function.span()),
            syn::Item::Use(import) => (&import.attrs, import.span()),
            syn::Item::Impl(block) => (&block.attrs, block.span()),
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            self.file.test_lines += lines(span);
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.file.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        self.tree(&[], &import.tree);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let span = function
            .sig
            .span()
            .join(function.block.span())
            .unwrap_or(function.span());
        self.function(&function.sig.ident, span, &function.sig);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let span = function
            .sig
            .span()
            .join(function.block.span())
            .unwrap_or(function.span());
        self.function(&function.sig.ident, span, &function.sig);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.file.is_async = true;
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.file.methods.push(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if let Some(last) = path.segments.last()
            && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
            && let Some(syn::GenericArgument::Type(syn::Type::Path(argument))) =
                arguments.args.first()
            && let Some(of) = argument.path.segments.last()
        {
            self.file
                .generics
                .push(format!("{}<{}>", last.ident, of.ident));
        }
        self.name(segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call
            .path
            .segments
            .last()
            .map(|last| last.ident.to_string())
            .unwrap_or_default();
        self.file.macros.push((name, call.tokens.to_string()));
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}
