//! Tokens to trees: the structure of a template. Pipelines are in `parser/pipeline.rs`.

mod pipeline;

use std::collections::BTreeMap;

use super::ast::{Branch, BranchKind, Call, Node, Tree};
use super::error::Error;
use super::lexer::{Kind, Token, tokens};
use super::number::unquote;

/// How deeply actions and parentheses may be nested, `else if` included.
const MAX_DEPTH: usize = 200;

/// The templates of one text by name.
pub(super) type Trees = BTreeMap<String, Tree>;

/// Parses `text`, whose own template is called `name`.
pub(super) fn parse(name: &str, text: &[u8], left: &str, right: &str) -> Result<Trees, Error> {
    let mut parser = Parser {
        name,
        tokens: tokens(text, left, right),
        next: 0,
        furthest: 0,
        trees: Trees::new(),
        scope: Scope::new(),
        depth: 0,
    };
    let nodes = parser.template()?;
    parser.define(name.to_owned(), nodes)?;
    Ok(parser.trees)
}

struct Parser<'a> {
    name: &'a str,
    tokens: Vec<Token>,
    next: usize,
    /// The last token that was looked at: errors name its line.
    furthest: usize,
    trees: Trees,
    scope: Scope,
    depth: usize,
}

/// What a `define` or `block` starts afresh.
struct Scope {
    variables: Vec<String>,
    ranges: usize,
    /// The line on which the action at hand began, or 0.
    action_line: usize,
}

impl Scope {
    fn new() -> Self {
        Self {
            variables: vec!["$".to_owned()],
            ranges: 0,
            action_line: 0,
        }
    }
}

/// What ended a list of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    End,
    Else,
}

impl Ending {
    fn shown(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

/// A node, or what ends the list that it would be in.
enum Item {
    Node(Node),
    Ending(Ending),
}

impl Parser<'_> {
    fn fail<T>(&self, reason: impl std::fmt::Display) -> Result<T, Error> {
        let line = self.tokens[self.furthest].line;
        Err(Error::parse(self.name, line, reason))
    }

    /// Takes a token. The last one, the end or an error, is never used up.
    fn take(&mut self) -> Token {
        let at = self.next.min(self.tokens.len() - 1);
        self.furthest = self.furthest.max(at);
        self.next = at + 1;
        self.tokens[at].clone()
    }

    fn back(&mut self) {
        self.next -= 1;
    }

    fn peek(&mut self) -> Token {
        let token = self.take();
        self.back();
        token
    }

    fn take_word(&mut self) -> Token {
        loop {
            let token = self.take();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_word(&mut self) -> Token {
        let token = self.take_word();
        self.back();
        token
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token, Error> {
        let token = self.take_word();
        if token.kind == kind {
            return Ok(token);
        }
        self.unexpected(&token, context)
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, Error> {
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", token.shown()));
        }
        let line = self.scope.action_line;
        let text = token.shown();
        if line == 0 || line == token.line {
            return self.fail(text);
        }
        let action = if text.ends_with(" action") {
            ""
        } else {
            " in action"
        };
        self.fail(format!("{text}{action} started at {}:{line}", self.name))
    }

    /// Goes one level down into `parse`.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return self.fail("max expression depth exceeded");
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// The whole text.
    fn template(&mut self) -> Result<Vec<Node>, Error> {
        let mut nodes = Vec::new();
        loop {
            let token = self.peek();
            if token.kind == Kind::End {
                return Ok(nodes);
            }
            if token.kind == Kind::LeftDelimiter {
                let before = self.next;
                self.take();
                if self.take_word().is_keyword("define") {
                    self.definition()?;
                    continue;
                }
                self.next = before;
            }
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(ending) => {
                    return self.fail(format!("unexpected {}", ending.shown()));
                }
            }
        }
    }

    fn definition(&mut self) -> Result<(), Error> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let token = self.take_word();
        let name = self.template_name(&token, CONTEXT)?;
        self.expect(Kind::RightDelimiter, CONTEXT)?;
        self.body(name, CONTEXT)?;
        self.scope = outer;
        Ok(())
    }

    /// The nodes of a `define` or `block` up to its end.
    fn body(&mut self, name: String, context: &str) -> Result<(), Error> {
        let (nodes, ending) = self.list()?;
        if ending != Ending::End {
            return self.fail(format!("unexpected {} in {context}", ending.shown()));
        }
        self.define(name, nodes)
    }

    /// A template that has more than space in it may be defined once.
    fn define(&mut self, name: String, nodes: Vec<Node>) -> Result<(), Error> {
        let tree = Tree {
            parsed_in: self.name.to_owned(),
            nodes,
        };
        match self.trees.get(&name) {
            Some(former) if !former.is_empty() => {
                if tree.is_empty() {
                    return Ok(());
                }
                let name = super::format::quoted(name.as_bytes());
                self.fail(format!("template: multiple definition of template {name}"))
            }
            _ => {
                self.trees.insert(name, tree);
                Ok(())
            }
        }
    }

    fn list(&mut self) -> Result<(Vec<Node>, Ending), Error> {
        let mut nodes = Vec::new();
        while self.peek_word().kind != Kind::End {
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(ending) => return Ok((nodes, ending)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn item(&mut self) -> Result<Item, Error> {
        let token = self.take_word();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text {
                at: token.at,
                text: token.text,
            })),
            Kind::LeftDelimiter => {
                self.scope.action_line = token.line;
                let item = self.nested(Self::action)?;
                self.scope.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item, Error> {
        let token = self.take_word();
        let word = match token.kind {
            Kind::Keyword => token.str(),
            _ => String::new(),
        };
        let node = match word.as_str() {
            "block" => self.block()?,
            "break" | "continue" => self.jump(&token, &word)?,
            "else" => return self.otherwise(),
            "end" => {
                self.expect(Kind::RightDelimiter, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            "if" => self.branch(BranchKind::If)?,
            "range" => self.branch(BranchKind::Range)?,
            "template" => self.call()?,
            "with" => self.branch(BranchKind::With)?,
            _ => {
                self.back();
                Node::Action {
                    at: token.at,
                    pipe: self.pipeline("command", Kind::RightDelimiter)?,
                }
            }
        };
        Ok(Item::Node(node))
    }

    fn jump(&mut self, token: &Token, word: &str) -> Result<Node, Error> {
        let after = self.take_word();
        if after.kind != Kind::RightDelimiter {
            return self.unexpected(&after, &format!("{{{{{word}}}}}"));
        }
        if self.scope.ranges == 0 {
            return self.fail(format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        let at = token.at;
        Ok(if word == "break" {
            Node::Break { at }
        } else {
            Node::Continue { at }
        })
    }

    /// After `else`; `if` and `with` stay for the branch that this one ends.
    fn otherwise(&mut self) -> Result<Item, Error> {
        let next = self.peek_word();
        if !next.is_keyword("if") && !next.is_keyword("with") {
            self.expect(Kind::RightDelimiter, "else")?;
        }
        Ok(Item::Ending(Ending::Else))
    }

    fn branch(&mut self, kind: BranchKind) -> Result<Node, Error> {
        let context = match kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        let variables = self.scope.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelimiter)?;
        self.scope.ranges += usize::from(kind == BranchKind::Range);
        let (then, ending) = self.list()?;
        self.scope.ranges -= usize::from(kind == BranchKind::Range);
        let mut otherwise = None;
        if ending == Ending::Else {
            let chains = kind != BranchKind::Range && self.peek_word().is_keyword(context);
            otherwise = Some(if chains {
                self.take_word();
                vec![self.nested(|parser| parser.branch(kind))?]
            } else {
                let (nodes, ending) = self.list()?;
                if ending != Ending::End {
                    return self.fail(format!("expected end; found {}", ending.shown()));
                }
                nodes
            });
        }
        self.scope.variables.truncate(variables);
        Ok(Node::Branch(Box::new(Branch {
            kind,
            at: pipe.at,
            pipe,
            then,
            otherwise,
        })))
    }

    fn block(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "block clause";
        let token = self.take_word();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelimiter)?;
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        self.body(name.clone(), CONTEXT)?;
        self.scope = outer;
        Ok(Node::Template(Box::new(Call {
            at: token.at,
            name,
            pipe: Some(pipe),
        })))
    }

    fn call(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "template clause";
        let token = self.take_word();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = if self.take_word().kind == Kind::RightDelimiter {
            None
        } else {
            self.back();
            Some(self.pipeline(CONTEXT, Kind::RightDelimiter)?)
        };
        Ok(Node::Template(Box::new(Call {
            at: token.at,
            name,
            pipe,
        })))
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Result<String, Error> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(token, context);
        }
        match unquote(&token.text) {
            Ok(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
            Err(reason) => self.fail(reason),
        }
    }
}
