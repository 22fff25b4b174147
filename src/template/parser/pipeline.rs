//! Pipelines, commands and operands.

use super::Parser;
use crate::template::ast::{Command, Operand, Pipe, Term};
use crate::template::error::Error;
use crate::template::format::quoted;
use crate::template::funcs;
use crate::template::lexer::{Kind, Token};
use crate::template::number::{Number, unquote};
use crate::template::value::Text;

impl Parser<'_> {
    /// A pipeline up to the token `end`, which is taken too.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe, Error> {
        let mut pipe = Pipe {
            at: self.peek_word().at,
            variables: Vec::new(),
            assigns: false,
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.take_word();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back();
                    pipe.commands.push(self.command()?);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        self.check(&pipe, context)?;
        Ok(pipe)
    }

    /// `$a :=`, `$a =` or, in a range, `$a, $b :=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<(), Error> {
        loop {
            self.peek_word();
            let before = self.next;
            let variable = self.take_word();
            if variable.kind != Kind::Variable {
                self.next = before;
                return Ok(());
            }
            let next = self.take_word();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assigns = next.kind == Kind::Assign;
                    self.declare(pipe, &variable);
                    return Ok(());
                }
                Kind::Char if next.text == b"," => {
                    self.declare(pipe, &variable);
                    if context != "range" || pipe.variables.len() >= 2 {
                        return self.fail(format!("too many declarations in {context}"));
                    }
                    let next = self.peek_word().kind;
                    if !matches!(
                        next,
                        Kind::Variable | Kind::RightDelimiter | Kind::RightParen
                    ) {
                        return self.fail("range can only initialize variables");
                    }
                }
                _ => {
                    self.next = before;
                    return Ok(());
                }
            }
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, variable: &Token) {
        pipe.variables.push(variable.str());
        self.scope.variables.push(variable.str());
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Result<(), Error> {
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if let Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::String { .. } =
                command.args[0].term
            {
                let stage = i + 1;
                return self.fail(format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(())
    }

    /// Operands with space between them, up to a `|`, which is taken, or the pipeline's end.
    fn command(&mut self) -> Result<Command, Error> {
        let mut command = Command {
            at: self.peek_word().at,
            args: Vec::new(),
        };
        loop {
            self.skip_space();
            command.args.extend(self.operand()?);
            let token = self.take();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelimiter | Kind::RightParen => {
                    self.back();
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if command.args.is_empty() {
            return self.fail("empty command");
        }
        Ok(command)
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.take();
        }
    }

    /// A term and the fields that follow it; none if what is next is no term.
    fn operand(&mut self) -> Result<Option<Operand>, Error> {
        let Some(operand) = self.term()? else {
            return Ok(None);
        };
        let at = self.peek().at;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.take().str()[1..].to_owned());
        }
        if fields.is_empty() {
            return Ok(Some(operand));
        }
        let term = match operand.term {
            Term::Field(names) => Term::Field([names, fields].concat()),
            Term::Variable(names) => Term::Variable([names, fields].concat()),
            Term::Bool(_) | Term::String { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                let shown = quoted(operand.to_string().as_bytes());
                return self.fail(format!("unexpected . after term {shown}"));
            }
            _ => Term::Chain(Box::new(operand), fields),
        };
        Ok(Some(Operand { at, term }))
    }

    fn term(&mut self) -> Result<Option<Operand>, Error> {
        let token = self.take_word();
        let term = match token.kind {
            Kind::Identifier => self.identifier(&token)?,
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                let name = token.str();
                if !self.scope.variables.contains(&name) {
                    let name = quoted(name.as_bytes());
                    return self.fail(format!("undefined variable {name}"));
                }
                Term::Variable(vec![name])
            }
            Kind::Field => Term::Field(vec![token.str()[1..].to_owned()]),
            Kind::Bool => Term::Bool(token.text == b"true"),
            Kind::CharConstant => self.number(Number::character(&token.text))?,
            Kind::Complex => self.number(Number::pair(&token.str()))?,
            Kind::Number => self.number(Number::parse(&token.str()))?,
            Kind::LeftParen => {
                let pipe = self
                    .nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                // The position that errors name is the pipeline's, inside of the parenthesis.
                return Ok(Some(Operand {
                    at: pipe.at,
                    term: Term::Pipe(Box::new(pipe)),
                }));
            }
            Kind::String | Kind::RawString => match unquote(&token.text) {
                Ok(text) => Term::String {
                    quoted: token.str(),
                    text: Text::from(text),
                },
                Err(reason) => return self.fail(reason),
            },
            _ => {
                self.back();
                return Ok(None);
            }
        };
        Ok(Some(Operand { at: token.at, term }))
    }

    fn identifier(&self, token: &Token) -> Result<Term, Error> {
        let name = token.str();
        if funcs::find(&name).is_none() {
            let name = quoted(name.as_bytes());
            return self.fail(format!("function {name} not defined"));
        }
        Ok(Term::Identifier(name))
    }

    fn number(&self, number: Result<Number, String>) -> Result<Term, Error> {
        number.map(Term::Number).or_else(|reason| self.fail(reason))
    }
}
