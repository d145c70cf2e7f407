//! Standard error: what is going on.
//!
//! Owns the progress bars of a terminal, the occasional line where there is none, and remarks
//! between them. Does not own results (`output`).
//!
//! Always: without a terminal, progress takes at most a line in [`EVERY`].

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::{grouped, size};

/// How far apart lines of progress are, without a terminal.
const EVERY: Duration = Duration::from_secs(5);

/// What a stage counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Files.
    Files,
    /// Bytes.
    Bytes,
    /// Files of which nobody knows how many there are.
    Uncounted,
}

/// Standard error. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Screen(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bars: MultiProgress,
    mode: Mode,
    stages: Mutex<Vec<Stage>>,
    #[cfg(test)]
    said: Mutex<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Terminal,
    Lines,
    #[cfg(test)]
    Recording,
}

/// One thing that takes a while. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    name: &'static str,
    unit: Unit,
    bar: ProgressBar,
}

impl Screen {
    /// The process's standard error.
    pub(crate) fn stderr() -> Self {
        if std::io::stderr().is_terminal() {
            Self::new(Mode::Terminal, ProgressDrawTarget::stderr())
        } else {
            Self::new(Mode::Lines, ProgressDrawTarget::hidden())
        }
    }

    /// One that remembers what was said.
    #[cfg(test)]
    pub(crate) fn recording() -> Self {
        Self::new(Mode::Recording, ProgressDrawTarget::hidden())
    }

    fn new(mode: Mode, target: ProgressDrawTarget) -> Self {
        Self(Arc::new(Inner {
            bars: MultiProgress::with_draw_target(target),
            mode,
            stages: Mutex::default(),
            #[cfg(test)]
            said: Mutex::default(),
        }))
    }

    /// A remark, on a line of its own.
    pub(crate) fn say(&self, text: impl Display) {
        match self.0.mode {
            Mode::Terminal => self.0.bars.suspend(|| write_line(&text)),
            Mode::Lines => write_line(&text),
            #[cfg(test)]
            Mode::Recording => lock(&self.0.said).push(text.to_string()),
        }
    }

    /// What was said so far.
    #[cfg(test)]
    pub(crate) fn recorded(&self) -> Vec<String> {
        lock(&self.0.said).clone()
    }

    /// Something that takes a while begins.
    pub(crate) fn stage(&self, name: &'static str, unit: Unit) -> Stage {
        let bar = ProgressBar::new(0)
            .with_prefix(name)
            .with_style(style(unit));
        let stage = Stage {
            name,
            unit,
            bar: self.0.bars.add(bar),
        };
        lock(&self.0.stages).push(stage.clone());
        stage
    }

    /// Removes the stages, so that what follows stands on clean ground.
    pub(crate) fn clear(&self) {
        for stage in lock(&self.0.stages).drain(..) {
            stage.bar.finish_and_clear();
        }
    }

    /// Without a terminal, says now and then how far everything is. Runs until it is dropped.
    pub(crate) async fn lines(&self) -> Infallible {
        let mut last = String::new();
        loop {
            if self.0.mode == Mode::Terminal {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(EVERY).await;
            let line = self.summary();
            if !line.is_empty() && line != last {
                self.say(&line);
                last = line;
            }
        }
    }

    fn summary(&self) -> String {
        let stages = lock(&self.0.stages);
        let begun = stages.iter().filter(|stage| !stage.is_untouched());
        begun.map(Stage::summary).collect::<Vec<_>>().join("; ")
    }
}

impl Stage {
    /// There is this much more to do.
    pub(crate) fn expect(&self, more: u64) {
        self.bar.inc_length(more);
    }

    /// This much more is done.
    pub(crate) fn advance(&self, more: u64) {
        self.bar.inc(more);
    }

    /// This much is done, of so much.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// How much is done.
    #[cfg(test)]
    pub(crate) fn done(&self) -> u64 {
        self.bar.position()
    }

    fn is_untouched(&self) -> bool {
        self.bar.length().unwrap_or(0) == 0
    }

    fn summary(&self) -> String {
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        match self.unit {
            Unit::Files => format!("{} {} of {}", self.name, grouped(done), grouped(total)),
            Unit::Uncounted => format!("{} {}", self.name, grouped(done)),
            Unit::Bytes => format!("{} {} of {}", self.name, size(done), size(total)),
        }
    }
}

fn template(unit: Unit) -> &'static str {
    match unit {
        Unit::Files => "{prefix:>10} [{bar:32}] {human_pos} of {human_len}",
        Unit::Bytes => {
            "{prefix:>10} [{bar:32}] {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}"
        }
        Unit::Uncounted => "{prefix:>10} {human_pos} files, {elapsed}",
    }
}

fn style(unit: Unit) -> ProgressStyle {
    ProgressStyle::with_template(template(unit))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn write_line(text: &impl Display) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_templates_are_valid() {
        for unit in [Unit::Files, Unit::Bytes, Unit::Uncounted] {
            let valid = ProgressStyle::with_template(template(unit));
            assert!(valid.is_ok(), "{}", template(unit));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_terminal_a_line_says_how_far_everything_is() {
        let screen = Screen::recording();
        let hashing = screen.stage("hashing", Unit::Bytes);
        let _unbegun = screen.stage("uploading", Unit::Bytes);
        let checking = screen.stage("checking", Unit::Files);
        hashing.expect(2_000_000);
        hashing.advance(1_500_000);
        checking.set(3, 1_200);
        let three_ticks = EVERY * 3 + EVERY / 2;
        assert!(
            tokio::time::timeout(three_ticks, screen.lines())
                .await
                .is_err()
        );
        assert_eq!(
            screen.recorded(),
            ["hashing 1.5 MB of 2.0 MB; checking 3 of 1,200"]
        );
    }
}
