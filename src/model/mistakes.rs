//! Mistakes: what is wrong with one `scale.yaml`, and where.
//!
//! A `Mistake` is a cause and its place, and `Mistakes` is all of them in the
//! order of the file, with the text to show. Must never print (that
//! is the room `ui`) and never carry a secret's value.
//! Next: `cause.rs` (what can be wrong), `fields.rs` (who collects).

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::cause::Cause;

/// One mistake: what, where, and in which phases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub cause: Cause,
    /// Where, in bytes of the file.
    pub at: SourceSpan,
    /// What the caret says.
    pub label: String,
    /// Other places that belong to it, each with its own text.
    pub also: Vec<(SourceSpan, String)>,
    /// The phases it is in, when it is not in all of them.
    pub only_in: Vec<u8>,
}

impl Mistake {
    pub(crate) fn new(cause: Cause, at: SourceSpan, label: &str) -> Self {
        Self {
            cause,
            at,
            label: label.to_owned(),
            also: Vec::new(),
            only_in: Vec::new(),
        }
    }

    /// Points at another place as well.
    pub(crate) fn also(mut self, at: SourceSpan, label: &str) -> Self {
        self.also.push((at, label.to_owned()));
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        match self.only_in.as_slice() {
            [] => Ok(()),
            [phase] => write!(f, " (in phase {phase})"),
            phases => {
                let phases: Vec<String> = phases.iter().map(u8::to_string).collect();
                write!(f, " (in phases {})", phases.join(" and "))
            }
        }
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.cause.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.cause.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let here = LabeledSpan::new_primary_with_span(Some(self.label.clone()), self.at);
        let also = self
            .also
            .iter()
            .map(|(at, text)| LabeledSpan::new_with_span(Some(text.clone()), *at));
        Some(Box::new(std::iter::once(here).chain(also)))
    }
}

/// Every mistake of one file, in the order of the file.
#[derive(Debug)]
pub struct Mistakes {
    file: String,
    source: NamedSource<String>,
    all: Vec<Mistake>,
}

impl Mistakes {
    pub(crate) fn new(file: &str, text: String, mut all: Vec<Mistake>) -> Self {
        all.sort_by(|a, b| {
            (a.at.offset(), a.at.len(), &a.cause).cmp(&(b.at.offset(), b.at.len(), &b.cause))
        });
        Self {
            file: file.to_owned(),
            source: NamedSource::new(file, text),
            all,
        }
    }

    /// The mistakes, at least one, by their place in the file.
    pub fn all(&self) -> &[Mistake] {
        &self.all
    }

    /// Line and column of a mistake, both from 1; columns are characters.
    pub fn place(&self, mistake: &Mistake) -> (usize, usize) {
        let text = self.source.inner();
        let before = text.get(..mistake.at.offset()).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[start..].chars().count() + 1)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.all.len();
        let s = if count == 1 { "" } else { "s" };
        write!(f, "{} has {count} mistake{s}", self.file)
    }
}

impl std::error::Error for Mistakes {}

impl Diagnostic for Mistakes {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("scalectl::model::mistakes"))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(
            self.all.iter().map(|mistake| mistake as &dyn Diagnostic),
        ))
    }
}
