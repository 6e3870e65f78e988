//! The package's files, and what the rules want to know of each.

use crate::rust::{blank_tests, blank_text, body_end, declaration, first_segments, is_word, positions};
use std::fs;
use std::path::{Path, PathBuf};

/// The sources of the package, and its README.
pub struct Tree {
    pub files: Vec<SourceFile>,
    pub readme: String,
}

/// One Rust file, in three readings.
pub struct SourceFile {
    /// From the package's root, with slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and literals blanked out; same length, same lines.
    code: String,
    /// `code` with test items blanked out as well; empty for a test file.
    pub production: String,
}

/// Where a function is and how long.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

impl Tree {
    pub fn read(root: &Path) -> Tree {
        let mut files = Vec::new();
        for folder in ["src", "tests", "benches", "perf"] {
            read_folder(root, &root.join(folder), &mut files);
        }
        let mut tree = Tree { files, readme: fs::read_to_string(root.join("README.md")).unwrap_or_default() };
        tree.drop_test_files();
        tree
    }

    /// Files of `src/` that are part of the product.
    pub fn production(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| file.path.starts_with("src/") && !file.production.trim().is_empty())
    }

    pub fn declares(&self, file: &SourceFile) -> bool {
        self.parents(file).any(|parent| declaration(&parent.code, file.module()).is_some())
    }

    fn parents<'a>(&'a self, file: &SourceFile) -> impl Iterator<Item = &'a SourceFile> {
        let folder = file.folder();
        let candidates = match folder.as_str() {
            "src" => vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()],
            _ => vec![format!("{folder}/mod.rs"), format!("{folder}.rs")],
        };
        self.files.iter().filter(move |parent| candidates.contains(&parent.path))
    }

    /// A file declared only by `#[cfg(test)] mod`, or by other such files, holds no production
    /// code.
    pub fn drop_test_files(&mut self) {
        loop {
            let is_test = |file: &SourceFile| {
                let mut parents = self.parents(file);
                parents.all(|parent| declaration(&parent.production, file.module()).is_none())
            };
            let found: Vec<usize> = (0..self.files.len())
                .filter(|&i| !self.files[i].production.is_empty() && !self.files[i].is_crate_root())
                .filter(|&i| self.files[i].path.starts_with("src/") && self.declares(&self.files[i]))
                .filter(|&i| is_test(&self.files[i]))
                .collect();
            if found.is_empty() {
                return;
            }
            found.into_iter().for_each(|i| self.files[i].production.clear());
        }
    }
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_folder(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(SourceFile::new(relative, text));
        }
    }
}

impl SourceFile {
    pub fn new(path: String, text: String) -> SourceFile {
        let code = blank_text(&text);
        let production = blank_tests(&code);
        SourceFile { path, text, code, production }
    }

    pub fn is_crate_root(&self) -> bool {
        matches!(self.path.as_str(), "src/lib.rs" | "src/main.rs")
    }

    /// The folder of `src/` it lies in.
    pub fn room(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(room, _)| room)
    }

    /// The name a `mod` gives it.
    fn module(&self) -> &str {
        let stem = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        stem.rsplit('/').next().unwrap_or(stem)
    }

    /// The folder its declaration is looked for in.
    fn folder(&self) -> String {
        let stem = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        stem.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
    }

    /// How many `super` lead from it to the crate's root.
    fn depth(&self) -> usize {
        self.path.trim_end_matches(".rs").trim_end_matches("/mod").matches('/').count()
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
    }

    /// Lines of production code, or of any code in tests and benches, that name `needle`.
    pub fn lines_with(&self, needle: &str) -> Vec<usize> {
        let code = if self.path.starts_with("src/") && needle != "unsafe" && !needle.starts_with('#') {
            &self.production
        } else {
            &self.code
        };
        positions(code, needle).map(|at| self.line_of(at)).collect()
    }

    /// Every first segment behind `crate::`, or behind enough `super::` to reach the root, with
    /// its line.
    pub fn rooms_named(&self) -> Vec<(usize, String)> {
        let mut named = Vec::new();
        let up = "super::".repeat(self.depth());
        for prefix in ["crate::", &up] {
            for at in positions(&self.production, prefix) {
                let rest = &self.production[at + prefix.len()..];
                named.extend(first_segments(rest).into_iter().map(|name| (self.line_of(at), name)));
            }
        }
        named
    }

    /// Lines that are not part of a test item, comments and all.
    pub fn production_lines(&self) -> usize {
        let test_lines = self
            .code
            .lines()
            .zip(self.production.lines())
            .filter(|(code, production)| !code.trim().is_empty() && production.trim().is_empty())
            .count();
        self.text.lines().count() - test_lines
    }

    pub fn functions(&self) -> Vec<Function> {
        let code = &self.production;
        let starts = positions(code, "fn").filter_map(|at| {
            let name: String = code[at + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
            let end = body_end(&code[at..]).filter(|_| !name.is_empty())?;
            let lines = 1 + code[at..at + end].matches('\n').count();
            Some(Function { name, line: self.line_of(at), lines })
        });
        starts.collect()
    }
}
