//! Looks a document over before the GraphQL library sees it: one pass over its tokens, without
//! recursion into it, so that no document costs more than its length. Small documents can blow up the
//! library: fragments that double 20 times, lists nested until the stack ends.

use std::collections::HashMap;

use apollo_parser::{Lexer, TokenKind};

/// Longest document: ten times what a full page asks.
const BYTES_MAX: usize = 16 * 1024;
/// Most tokens, as other gateways have it.
const TOKENS_MAX: usize = 1000;
/// Deepest nesting of brackets of any kind; the query of an explorer for the schema has 15.
const DEPTH_MAX: usize = 24;
/// Deepest nesting of lists and objects in arguments; our inputs have 3.
const LITERAL_DEPTH_MAX: usize = 8;
/// Most fields under another name.
const ALIASES_MAX: usize = 15;
/// Most directives.
const DIRECTIVES_MAX: usize = 10;
/// Most fragments.
const FRAGMENTS_MAX: usize = 20;
/// Most fields of Query or Mutation in one request.
const ROOT_FIELDS_MAX: usize = 10;
/// Most variables; our largest input has 30 fields.
const VARIABLES_MAX: usize = 50;
/// Most selections when every fragment is spread.
const SELECTIONS_MAX: usize = 2000;
/// Deepest nesting of variables in JSON.
const JSON_DEPTH_MAX: usize = 32;

/// Why a document is not looked at further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not GraphQL.
    Syntax,
    /// There is more of something than a document may have.
    TooMuch {
        /// Of what.
        of: &'static str,
        /// The limit.
        most: usize,
    },
}

/// What a bracket has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Fields; `root` when they are fields of the operation or the fragment itself.
    Selection { root: bool },
    /// Arguments or variable definitions.
    Parenthesis,
    /// A list in a value or a type.
    List,
    /// An object in a value.
    Object,
}

impl Open {
    const fn is_literal(self) -> bool {
        matches!(self, Self::List | Self::Object)
    }
}

/// What the tokens so far lead one to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    /// `...`: a fragment's name, `on`, a directive or a selection.
    Spread,
    /// `... on`: a type.
    On,
    /// `@`: a directive's name.
    At,
    /// `:`: what was before was an alias or an argument's name.
    Colon,
    /// `fragment`: its name.
    Fragment,
}

/// An operation or a fragment.
#[derive(Debug, Default)]
struct Definition<'a> {
    /// A fragment's name; an operation has none that matters.
    fragment: Option<&'a str>,
    selections: usize,
    roots: usize,
    /// Fragments that are spread in it, and whether among its root fields.
    spreads: Vec<(&'a str, bool)>,
}

/// Checks a document.
///
/// # Errors
/// It is not GraphQL, or has too much of something.
pub fn check(document: &str) -> Result<(), Fault> {
    at_most("bytes", document.len(), BYTES_MAX)?;
    let definitions = Scan::default().run(document)?;
    let (fragments, operations): (Vec<_>, Vec<_>) = definitions
        .into_iter()
        .partition(|definition| definition.fragment.is_some());
    at_most("fragments", fragments.len(), FRAGMENTS_MAX)?;
    at_most("operations", operations.len(), 1)?;
    let fragments = fragments
        .into_iter()
        .filter_map(|fragment| Some((fragment.fragment?, fragment)))
        .collect();
    let mut spread = Spread {
        fragments,
        sizes: HashMap::new(),
    };
    // Fragments that nobody spreads are walked as well: the library validates them too.
    let names: Vec<&str> = spread.fragments.keys().copied().collect();
    for name in names {
        spread.size_of(name)?;
    }
    for operation in &operations {
        let (selections, roots) = spread.size(operation)?;
        at_most("selections", selections, SELECTIONS_MAX)?;
        at_most("root fields", roots, ROOT_FIELDS_MAX)?;
    }
    Ok(())
}

/// Checks how deeply a JSON text is nested, before it is parsed.
///
/// # Errors
/// Too deeply.
pub fn check_json(text: &[u8]) -> Result<(), Fault> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                at_most("nested values", depth, JSON_DEPTH_MAX)?;
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

const fn at_most(of: &'static str, found: usize, most: usize) -> Result<(), Fault> {
    if found > most {
        Err(Fault::TooMuch { of, most })
    } else {
        Ok(())
    }
}

#[derive(Debug)]
struct Scan<'a> {
    open: Vec<Open>,
    literals: usize,
    after: After,
    /// Whether the selection that comes next is that of an inline fragment.
    inline: bool,
    aliases: usize,
    directives: usize,
    variables: usize,
    header: Option<Definition<'a>>,
    definitions: Vec<Definition<'a>>,
}

impl Default for Scan<'_> {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            literals: 0,
            after: After::Nothing,
            inline: false,
            aliases: 0,
            directives: 0,
            variables: 0,
            header: None,
            definitions: Vec::new(),
        }
    }
}

impl<'a> Scan<'a> {
    fn run(mut self, document: &'a str) -> Result<Vec<Definition<'a>>, Fault> {
        let mut tokens = 0;
        for token in Lexer::new(document) {
            let token = token.map_err(|_| Fault::Syntax)?;
            if matches!(
                token.kind(),
                TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof
            ) {
                continue;
            }
            tokens += 1;
            at_most("tokens", tokens, TOKENS_MAX)?;
            self.token(token.kind(), token.data())?;
        }
        if self.open.is_empty() && self.header.is_none() {
            Ok(self.definitions)
        } else {
            Err(Fault::Syntax)
        }
    }

    fn token(&mut self, kind: TokenKind, text: &'a str) -> Result<(), Fault> {
        let after = std::mem::replace(&mut self.after, After::Nothing);
        match kind {
            TokenKind::LCurly => self.enter_braces()?,
            TokenKind::LParen => self.enter(Open::Parenthesis)?,
            TokenKind::LBracket => self.enter(Open::List)?,
            TokenKind::RCurly => {
                self.leave(|open| matches!(open, Open::Selection { .. } | Open::Object))?;
            }
            TokenKind::RParen => self.leave(|open| open == Open::Parenthesis)?,
            TokenKind::RBracket => self.leave(|open| open == Open::List)?,
            TokenKind::At => {
                self.directives += 1;
                at_most("directives", self.directives, DIRECTIVES_MAX)?;
                self.after = After::At;
            }
            TokenKind::Spread => {
                self.inline = true;
                self.after = After::Spread;
            }
            TokenKind::Colon => {
                if self.in_selection().is_some() {
                    self.aliases += 1;
                    at_most("aliases", self.aliases, ALIASES_MAX)?;
                }
                self.after = After::Colon;
            }
            TokenKind::Dollar if self.open[..] == [Open::Parenthesis] => {
                self.variables += 1;
                at_most("variables", self.variables, VARIABLES_MAX)?;
            }
            TokenKind::Name => self.name(text, after)?,
            _ => {}
        }
        Ok(())
    }

    fn in_selection(&self) -> Option<bool> {
        match self.open.last() {
            Some(Open::Selection { root }) => Some(*root),
            _ => None,
        }
    }

    fn name(&mut self, text: &'a str, after: After) -> Result<(), Fault> {
        let Some(root) = self.in_selection() else {
            if self.open.is_empty() {
                self.head(text, after)?;
            }
            return Ok(());
        };
        let Some(definition) = self.definitions.last_mut() else {
            return Err(Fault::Syntax);
        };
        match after {
            After::Spread if text == "on" => self.after = After::On,
            After::Spread => {
                self.inline = false;
                definition.spreads.push((text, root));
            }
            After::On | After::At | After::Colon => {}
            After::Nothing | After::Fragment => {
                self.inline = false;
                definition.selections += 1;
                definition.roots += usize::from(root);
            }
        }
        Ok(())
    }

    /// A name outside all brackets: it begins a definition or belongs to its head.
    fn head(&mut self, text: &'a str, after: After) -> Result<(), Fault> {
        match (&mut self.header, text) {
            (None, "query" | "mutation" | "subscription") => {
                self.header = Some(Definition::default());
            }
            (None, "fragment") => {
                self.header = Some(Definition::default());
                self.after = After::Fragment;
            }
            (None, _) => return Err(Fault::Syntax),
            (Some(header), name) if after == After::Fragment => header.fragment = Some(name),
            (Some(_), _) => {}
        }
        Ok(())
    }

    fn enter_braces(&mut self) -> Result<(), Fault> {
        let inline = std::mem::take(&mut self.inline);
        match self.open.last() {
            None => {
                // Without a head it is a query in short form.
                self.definitions
                    .push(self.header.take().unwrap_or_default());
                at_most("definitions", self.definitions.len(), FRAGMENTS_MAX + 1)?;
                self.enter(Open::Selection { root: true })
            }
            Some(Open::Selection { root }) => {
                let root = *root && inline;
                self.enter(Open::Selection { root })
            }
            Some(_) => self.enter(Open::Object),
        }
    }

    fn enter(&mut self, open: Open) -> Result<(), Fault> {
        self.open.push(open);
        at_most("nested brackets", self.open.len(), DEPTH_MAX)?;
        self.literals += usize::from(open.is_literal());
        at_most("nested literals", self.literals, LITERAL_DEPTH_MAX)
    }

    fn leave(&mut self, fits: impl FnOnce(Open) -> bool) -> Result<(), Fault> {
        let open = self.open.pop().filter(|open| fits(*open));
        let open = open.ok_or(Fault::Syntax)?;
        self.literals -= usize::from(open.is_literal());
        Ok(())
    }
}

/// Sizes with all fragments spread, each fragment worked out once.
struct Spread<'a> {
    fragments: HashMap<&'a str, Definition<'a>>,
    /// `None` while a fragment is being worked out.
    sizes: HashMap<&'a str, Option<(usize, usize)>>,
}

impl<'a> Spread<'a> {
    /// Selections and root fields of a definition. As deep as there are fragments, which are few.
    fn size(&mut self, definition: &Definition<'a>) -> Result<(usize, usize), Fault> {
        let (mut selections, mut roots) = (definition.selections, definition.roots);
        for (name, root) in &definition.spreads {
            let inner = self.size_of(name)?;
            selections = selections.saturating_add(inner.0).saturating_add(1);
            if *root {
                roots = roots.saturating_add(inner.1);
            }
        }
        Ok((selections, roots))
    }

    fn size_of(&mut self, name: &'a str) -> Result<(usize, usize), Fault> {
        match self.sizes.get(name) {
            Some(Some(size)) => return Ok(*size),
            // It spreads itself.
            Some(None) => return Err(Fault::Syntax),
            None => {}
        }
        // The library says what is wrong with a fragment that is not there.
        let Some(fragment) = self.fragments.remove(name) else {
            return Ok((0, 0));
        };
        self.sizes.insert(name, None);
        let size = self.size(&fragment)?;
        self.sizes.insert(name, Some(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn too_much(document: &str) -> &'static str {
        match check(document) {
            Err(Fault::TooMuch { of, .. }) => of,
            other => panic!("{other:?}: {document}"),
        }
    }

    #[test]
    fn what_front_ends_send_passes() {
        for document in [
            "{ viewer { role } }",
            "query Page($first: Int = 20, $in: [CaseState!]) { a: households(first: $first) { \
             nodes { id ...Members } } } fragment Members on Household { members { name } }",
            "mutation($input: PutMemberInput!) { putMember(input: $input) { \
             refusal { unmet { rule } } } }",
            "subscription { alerts(divisionCode: \"999999000000\") { id } }",
            "{ node(id: \"x\") { ... on Case { state } ... @include(if: true) { id } } }",
        ] {
            assert_eq!(check(document), Ok(()), "{document}");
        }
    }

    #[test]
    fn every_limit_is_one() {
        let repeated = |text: &str, times: usize| text.repeat(times);
        assert_eq!(too_much(&repeated("#", BYTES_MAX + 1)), "bytes");
        let long = format!("{{ viewer {{ {} }} }}", repeated("id ", 1000));
        assert_eq!(too_much(&long), "tokens");
        let deep = format!("{{ {} id {} }}", repeated("a { ", 30), repeated("}", 30));
        assert_eq!(too_much(&deep), "nested brackets");
        for (open, close) in [("[", "]"), ("{ a: ", "}")] {
            let literal = format!("{}1{}", repeated(open, 9), repeated(close, 9));
            assert_eq!(
                too_much(&format!("{{ a(b: {literal}) }}")),
                "nested literals"
            );
            let default = format!("query($a: X = {literal}) {{ a }}");
            assert_eq!(too_much(&default), "nested literals");
            let directive = format!("{{ a @include(if: {literal}) }}");
            assert_eq!(too_much(&directive), "nested literals");
        }
        let aliases: String = (0..16).map(|at| format!("a{at}: id ")).collect();
        assert_eq!(
            too_much(&format!("{{ viewer {{ {aliases} }} }}")),
            "aliases"
        );
        let directives = repeated("@skip(if: true) ", 11);
        assert_eq!(
            too_much(&format!("{{ viewer {directives} {{ id }} }}")),
            "directives"
        );
        let fragments: String = (0..21)
            .map(|at| format!("fragment F{at} on A {{ id }} "))
            .collect();
        assert_eq!(too_much(&fragments), "fragments");
        assert_eq!(too_much("query A { id } query B { id }"), "operations");
        assert_eq!(too_much(&repeated("{ id } ", 22)), "definitions");
        assert_eq!(
            too_much(&format!("{{ {} }}", repeated("viewer { id } ", 11))),
            "root fields"
        );
        let variables: String = (0..51).map(|at| format!("$a{at}: Int ")).collect();
        assert_eq!(
            too_much(&format!("query({variables}) {{ id }}")),
            "variables"
        );
    }

    #[test]
    fn fragments_cannot_hide_what_they_spread() {
        let inside = "viewer { id } ".repeat(11);
        let hidden = format!("{{ ...A }} fragment A on Query {{ ... {{ {inside} }} }}");
        assert_eq!(too_much(&hidden), "root fields");
        let mut bomb = "{ a { ...F0 } } ".to_owned();
        for at in 0..19 {
            let next = at + 1;
            bomb += &format!("fragment F{at} on A {{ ...F{next} ...F{next} }} ");
        }
        bomb += "fragment F19 on A { id }";
        assert_eq!(too_much(&bomb), "selections");
        for circle in [
            "{ ...A } fragment A on Query { ...A }",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { a { ...A } }",
            "{ id } fragment A on Query { ...A }",
        ] {
            assert_eq!(check(circle), Err(Fault::Syntax), "{circle}");
        }
    }

    #[test]
    fn what_is_not_closed_is_not_graphql() {
        for document in [
            "{",
            "{ a(b: [1} }",
            "query",
            "}",
            "a { b }",
            "{ \"",
            "{ a ] }",
        ] {
            assert_eq!(check(document), Err(Fault::Syntax), "{document}");
        }
    }

    #[test]
    fn deep_json_is_found_before_it_is_parsed() {
        assert_eq!(check_json(br#"{"a":"[[[[","b":[{"c":"\"["}]}"#), Ok(()));
        assert!(check_json("[".repeat(33).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_gets_an_answer(document in "[a-z{}()\\[\\]:@.$!\" #=on]{0,400}") {
            let _ = check(&document);
            let _ = check_json(document.as_bytes());
        }

        /// What passes is small for the library too.
        #[test]
        fn what_passes_has_few_selections(fields in 0_usize..300, fragments in 0_usize..19) {
            let mut document = format!("{{ a {{ ...F0 {} }} }} ", "id ".repeat(fields));
            for at in 0..=fragments {
                document += &format!("fragment F{at} on A {{ id ...F{} ...F{} }} ", at + 1, at + 1);
            }
            let spread = 2 + fields + 3 * ((1_usize << (fragments + 1)) - 1);
            prop_assert_eq!(check(&document).is_ok(), spread <= SELECTIONS_MAX);
        }
    }
}
