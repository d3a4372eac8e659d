//! The lines that make CMake build what is installed: the same as the stock client's, so that both
//! can work on one project.

use super::Shortname;

/// The folder of installed packages, below a project.
pub const FOLDER: &str = "_fprime_packages";
/// The list of packages, in [`FOLDER`].
pub const LIST: &str = "CMakeLists.txt";

fn line(folder: &str) -> String {
    format!("add_fprime_subdirectory(\"${{CMAKE_CURRENT_LIST_DIR}}/{folder}\")")
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|other| other.trim() == line)
}

fn with(text: &str, line: &str) -> Option<String> {
    if has(text, line) {
        return None;
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Some(format!("{text}{gap}{line}\n"))
}

/// The list of packages with one more; `None` where it is in.
pub fn listed(text: &str, package: &Shortname) -> Option<String> {
    with(text, &line(&package.folder()))
}

/// The list of packages without one; `None` where it is not in. Only the very line goes: `a/Pkg` leaves
/// `a/PkgFile` in.
pub fn unlisted(text: &str, package: &Shortname) -> Option<String> {
    let gone = line(&package.folder());
    has(text, &gone)
        .then(|| text.split_inclusive('\n').filter(|other| other.trim() != gone).collect())
}

/// A file of the project's root with the folder of packages in it; `None` where it is.
pub fn included(text: &str) -> Option<String> {
    with(text, &line(FOLDER))
}

/// A `.gitignore` with the folder of packages in it; `None` where it is named.
pub fn ignored(text: &str) -> Option<String> {
    if text.contains(FOLDER) {
        return None;
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Some(format!("{text}{gap}# Packages of F Prime, installed as `fppm.lock` says\n/{FOLDER}/\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_once_and_goes_alone() {
        let (short, long) = ("a/Pkg".parse().unwrap(), "a/PkgFile".parse().unwrap());
        let one = listed("# mine", &long).unwrap();
        let both = listed(&one, &short).unwrap();
        assert_eq!(
            both,
            "# mine\nadd_fprime_subdirectory(\"${CMAKE_CURRENT_LIST_DIR}/a.PkgFile\")\nadd_fprime_subdirectory(\"${CMAKE_CURRENT_LIST_DIR}/a.Pkg\")\n"
        );
        assert_eq!(listed(&both, &short), None);
        assert_eq!(unlisted(&both, &short).unwrap(), one);
        assert_eq!(unlisted(&one, &short), None);
        let root = included("").unwrap();
        assert_eq!((included(&root), ignored("_fprime_packages/\n")), (None, None));
        assert!(ignored("build\n").unwrap().ends_with("/_fprime_packages/\n"));
    }
}
