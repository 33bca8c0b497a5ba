//! What is wrong with a package: a code that never changes, the place where it stands, and what was expected.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::codes::codes;
use crate::places::{Place, Places};
use crate::{Error, Source};

/// The file of a package that says everything but its forms and scenarios.
pub(crate) const WORKFLOW: &str = "workflow.yaml";

codes! {
    /// Why a package is refused; `docs/workflow-checks.md` says of each what it means and how it is cured.
    Code {
        /// A file or folder cannot be read.
        Folder = "FOLDER",
        /// The text is no YAML, or says what the language does not know.
        Yaml = "YAML",
        /// A form is no JSON Schema.
        Form = "FORM",
        /// A form takes in another that it cannot.
        FormReference = "FORM_REFERENCE",
        /// A condition is no CEL expression.
        Expression = "EXPRESSION",
        /// A text is no template.
        Template = "TEMPLATE",
        /// An expression or a template uses a name that its place does not know.
        UnknownName = "UNKNOWN_NAME",
        /// A field is none of its form.
        UnknownField = "UNKNOWN_FIELD",
        /// A form is not in `forms/`.
        UnknownForm = "UNKNOWN_FORM",
        /// A state does not exist.
        UnknownState = "UNKNOWN_STATE",
        /// An action does not exist.
        UnknownAction = "UNKNOWN_ACTION",
        /// A role does not exist.
        UnknownRole = "UNKNOWN_ROLE",
        /// A clock does not exist.
        UnknownClock = "UNKNOWN_CLOCK",
        /// A template does not exist.
        UnknownTemplate = "UNKNOWN_TEMPLATE",
        /// A table does not exist.
        UnknownTable = "UNKNOWN_TABLE",
        /// A scenario counts on a calendar that the product does not bring.
        UnknownCalendar = "UNKNOWN_CALENDAR",
        /// A degree of importance does not exist.
        UnknownImportance = "UNKNOWN_IMPORTANCE",
        /// Not exactly one state is initial.
        InitialState = "INITIAL_STATE",
        /// A state is never reached.
        UnreachableState = "UNREACHABLE_STATE",
        /// A state from which no case can be closed.
        NoEnd = "NO_END",
        /// What must be a closed state is none.
        HistoricalEnd = "HISTORICAL_END",
        /// An action has a name of the system.
        ReservedAction = "RESERVED_ACTION",
        /// Nobody may do it.
        NoRole = "NO_ROLE",
        /// A guard without words for those whom it stops, or words without a guard.
        Otherwise = "OTHERWISE",
        /// A sentence before this one always comes first.
        Overlap = "OVERLAP",
        /// Who is kept from an action may do the same in another way.
        SeparationOfDuties = "SEPARATION_OF_DUTIES",
        /// A stage that is mandatory can be left out.
        MandatoryStage = "MANDATORY_STAGE",
        /// An overlay was written for something else.
        OverlayBase = "OVERLAY_BASE",
        /// A state of an overlay is none that it may have.
        OverlayState = "OVERLAY_STATE",
        /// A way of an overlay leads past the package.
        OverlayWay = "OVERLAY_WAY",
        /// An overlay makes something easier.
        Loosened = "LOOSENED",
        /// A text is not there in both languages.
        Translation = "TRANSLATION",
        /// A message would carry what a form calls confidential.
        PersonalData = "PERSONAL_DATA",
        /// A table cannot be read.
        Table = "TABLE",
        /// No row of a table holds for what may come in.
        TableGap = "TABLE_GAP",
        /// Several rows of a table hold for the same, and only one may.
        TableOverlap = "TABLE_OVERLAP",
        /// A row of a table that no case comes to.
        TableRow = "TABLE_ROW",
        /// A computed field is computed from itself.
        ComputedCycle = "COMPUTED_CYCLE",
        /// A clock has no target.
        NoTarget = "NO_TARGET",
        /// What a table gives for the target of a clock is none.
        TargetTable = "TARGET_TABLE",
        /// An agreement lacks a part, or a clock a party.
        Agreement = "AGREEMENT",
        /// A case is linked where nothing can name the other.
        Link = "LINK",
        /// A customer is asked who is not known, or given what cannot be theirs.
        Customer = "CUSTOMER",
        /// A clock never starts.
        NeverStarts = "NEVER_STARTS",
        /// A clock never stops.
        NeverStops = "NEVER_STOPS",
        /// A clock stands still where the entity itself must act.
        Pause = "PAUSE",
        /// A clock may stand still for ever.
        EndlessPause = "ENDLESS_PAUSE",
        /// A clock warns at something else than a share of its target.
        Warning = "WARNING",
        /// What can be done only for a time names a promise.
        Window = "WINDOW",
        /// More time depends on a message that nobody sends.
        ExtensionUntold = "EXTENSION_UNTOLD",
        /// The system shall do what is not its to do.
        SystemAction = "SYSTEM_ACTION",
        /// What the system tries when a child changes asks nothing about children.
        ChildGuard = "CHILD_GUARD",
        /// A concealed child is asked for in a way that tells of it.
        Concealed = "CONCEALED",
        /// A quota that cannot be counted.
        Quota = "QUOTA",
        /// Bands that leave out a number, or of which two take the same.
        Bands = "BANDS",
        /// The system leads a case around for ever.
        AutomaticCycle = "AUTOMATIC_CYCLE",
        /// A ladder has no level that fires.
        LadderWithoutEnd = "LADDER_WITHOUT_END",
        /// The last to be told is nobody of the entity.
        SafetyNet = "SAFETY_NET",
        /// A level says not when it fires, or not whom it tells.
        Level = "LEVEL",
        /// A ladder has a level twice.
        LevelTwice = "LEVEL_TWICE",
        /// A reminder to the customer tells others too, or has no template of its own.
        Reminder = "REMINDER",
        /// A level does what no level can.
        LevelAction = "LEVEL_ACTION",
        /// A level is told again at no time that can be said.
        LevelAgain = "LEVEL_AGAIN",
        /// A case does not do what a scenario of the package says.
        Scenario = "SCENARIO",
        /// A schedule never comes, never ends, or says what only another kind of schedule can.
        Schedule = "SCHEDULE",
        /// A schedule opens cases with a form that is refused.
        ScheduleForm = "SCHEDULE_FORM",
        /// A recurrence compares what is not known, or proposes at no time.
        Recurrence = "RECURRENCE",
    }
}

impl Code {
    /// True when something is not understood, and so not done, and not only unwise.
    pub(crate) const fn is_unreadable(self) -> bool {
        matches!(
            self,
            Self::Folder
                | Self::Yaml
                | Self::Form
                | Self::FormReference
                | Self::Expression
                | Self::UnknownName
                | Self::UnknownField
                | Self::UnknownTable
                | Self::Table
                | Self::TableRow
                | Self::TargetTable
                | Self::ComputedCycle
        )
    }
}

/// One thing that is wrong with a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Why.
    pub code: Code,
    /// The file within the folder of the package.
    pub file: String,
    /// Line of the file, from 1, where it is known.
    pub line: Option<u64>,
    /// Column, from 1, where it is known.
    pub column: Option<u64>,
    /// What is wrong and what was expected.
    pub message: String,
}

impl Finding {
    /// A finding whose place is known.
    pub(crate) fn at(code: Code, file: &str, place: Option<Place>, message: String) -> Self {
        let (line, column) = place.unzip();
        Self { code, file: file.to_owned(), line, column, message }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}: {}", self.code, self.message)
    }
}

/// What was found so far. A finding names its place by a path, such as `transitions/3/to`; the text is asked for lines only
/// when there is something to say.
#[derive(Default)]
pub(crate) struct Found(RefCell<Vec<Raw>>);

enum Raw {
    Placed(Finding),
    Path { path: String, finding: Finding },
}

impl Found {
    /// Something in `workflow.yaml`.
    pub(crate) fn add(&self, code: Code, path: &str, message: String) {
        self.add_in(WORKFLOW, code, path, message);
    }

    /// Something in the file of a form.
    pub(crate) fn in_form(&self, form: &str, code: Code, path: &str, message: String) {
        self.add_in(&format!("forms/{form}.json"), code, path, message);
    }

    /// Something whose place in a file is known.
    pub(crate) fn placed(&self, finding: Finding) {
        self.0.borrow_mut().push(Raw::Placed(finding));
    }

    /// Something in a file of the package, or of what is laid over it.
    pub(crate) fn add_in(&self, file: &str, code: Code, path: &str, message: String) {
        let finding = Finding::at(code, file, None, message);
        self.0.borrow_mut().push(Raw::Path { path: path.to_owned(), finding });
    }

    /// All findings with their places, in the order of the files, each once: a sentence that holds in several states is
    /// looked at for each of them.
    pub(crate) fn findings<'t>(
        self,
        text: impl Fn(&str) -> Option<&'t str>,
        origins: &Origins,
    ) -> Vec<Finding> {
        let mut places = BTreeMap::new();
        let located = |raw| match raw {
            Raw::Placed(finding) => finding,
            Raw::Path { path, mut finding } => {
                let (file, path) = origins.of(&finding.file, path);
                finding.file = file;
                let read = || text(&finding.file).and_then(Places::read);
                let places = places.entry(finding.file.clone()).or_insert_with(read);
                let place = places.as_ref().map(|places| places.of(&path));
                Finding::at(finding.code, &finding.file, place, finding.message)
            }
        };
        let mut findings: Vec<Finding> = self.0.into_inner().into_iter().map(located).collect();
        let place = |finding: &Finding| {
            (finding.file != WORKFLOW, finding.file.clone(), finding.line, finding.column)
        };
        findings.sort_by(|one, other| (place(one), &one.message).cmp(&(place(other), &other.message)));
        findings.dedup();
        findings
    }
}

/// Where the parts of a package are written that was put together from several files.
#[derive(Default)]
pub(crate) struct Origins(BTreeMap<(String, String), (String, String)>);

impl Origins {
    /// What a path of a file of the package names stands in this file, at this path.
    pub(crate) fn stands(&mut self, file: &str, part: &str, in_file: &str, path: &str) {
        self.0.insert((file.to_owned(), part.to_owned()), (in_file.to_owned(), path.to_owned()));
    }

    /// The file and the path of something, by the nearest thing around it that stands elsewhere.
    fn of(&self, file: &str, path: String) -> (String, String) {
        let mut around = path.as_str();
        loop {
            if let Some((in_file, at)) = self.0.get(&(file.to_owned(), around.to_owned())) {
                return (in_file.clone(), format!("{at}{}", &path[around.len()..]));
            }
            match around.rsplit_once('/') {
                Some((outer, _)) => around = outer,
                None => return (file.to_owned(), path),
            }
        }
    }
}

impl Source {
    /// The text of one of its files.
    pub(crate) fn text(&self, file: &str) -> Option<&str> {
        let form = file.strip_prefix("forms/").and_then(|file| file.strip_suffix(".json"));
        let table = file.strip_prefix("tables/").and_then(|file| file.strip_suffix(".csv"));
        match (form, table) {
            (Some(form), _) => self.forms.get(form).map(String::as_str),
            (None, Some(table)) => self.tables.get(table).map(String::as_str),
            (None, None) => Some(&self.workflow),
        }
    }
}

/// The finding of a YAML text that cannot be read.
pub(crate) fn unreadable(file: &str, error: &serde_saphyr::Error) -> Finding {
    let place = error.location().map(|at| (at.line(), at.column()));
    Finding::at(Code::Yaml, file, place, error.without_snippet().to_string())
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        Self::Findings(vec![finding])
    }
}
