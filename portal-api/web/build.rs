//! Builds the portal's styles and scripts from the design system's package, outside the source
//! tree.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
    }
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let packages = out.join("npm");
    install(&source, &packages)?;
    let assets = out.join("assets");
    fs::create_dir_all(&assets)?;
    compile_styles(&source, &packages, &assets.join("portal.css"))?;
    let system = packages.join("node_modules/nhsuk-frontend/dist/nhsuk");
    let script = fs::read_to_string(system.join("nhsuk-frontend.min.js"))?;
    // Its source map is not served.
    let script = script.split("//# sourceMappingURL").next().unwrap_or(&script);
    fs::write(assets.join("nhsuk-frontend.min.js"), script)?;
    for icon in ICONS {
        fs::copy(system.join("assets/images").join(icon), assets.join(icon))?;
    }
    Ok(())
}

/// Installs the packages of the lock file, unless they are there.
fn install(source: &Path, packages: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(packages)?;
    let stamp = packages.join("installed");
    let lock = fs::read(source.join("package-lock.json"))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(source.join(file), packages.join(file))?;
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = Command::new(npm);
    // Optional packages watch files, which nobody does here; no package may run a script.
    command.args(["ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]);
    run(command.current_dir(packages), "npm could not install the packages of the web portal")?;
    fs::write(stamp, lock)?;
    Ok(())
}

fn compile_styles(source: &Path, packages: &Path, css: &Path) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new("node");
    command.arg(packages.join("node_modules/sass/sass.js"));
    command.args(["--style=compressed", "--no-source-map", "--no-charset", "--quiet-deps"]);
    command.arg("--load-path").arg(packages.join("node_modules"));
    command.arg(source.join("styles/main.scss")).arg(css);
    run(&mut command, "the styles of the web portal could not be compiled")
}

fn run(command: &mut Command, failed: &str) -> Result<(), Box<dyn Error>> {
    let output = command.output().map_err(|_| MISSING)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(6);
    Err(format!("{failed}: {}", said.collect::<Vec<_>>().join(" | ")).into())
}

fn variable(name: &str) -> Result<OsString, Box<dyn Error>> {
    std::env::var_os(name).ok_or_else(|| format!("cargo did not set {name}").into())
}

const MISSING: &str = "The web portal's styles are built with Node.js 20+ and npm; install them and \
    build again.";
const INPUTS: [&str; 5] = ["build.rs", "package.json", "package-lock.json", ".npmrc", "styles"];
/// What the styles refer to.
const ICONS: [&str; 4] = [
    "nhsuk-icon-arrow-down.svg",
    "nhsuk-icon-arrow-up-down.svg",
    "nhsuk-icon-arrow-up.svg",
    "nhsuk-icon-cross.svg",
];
