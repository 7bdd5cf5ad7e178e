use std::path::Path;
use std::process::ExitCode;

use carerecord_service::{Lifecycle, Stopped, telemetry};

use crate::config::Config;
use crate::roles;

/// `carerecord serve`: runs until told to stop, then drains.
pub async fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let config = Config::read(file)?;
    telemetry::init(config.log.format, &config.log.filter)?;
    let lifecycle = Lifecycle::new();
    let roles = roles::start(&config, &lifecycle).await?;
    tracing::info!("ready");
    let stopped = lifecycle.run().await?;
    roles.close().await;
    Ok(exit_code(&stopped))
}

pub fn exit_code(stopped: &Stopped) -> ExitCode {
    match stopped {
        Stopped::Drained => ExitCode::SUCCESS,
        Stopped::Aborted { .. } | Stopped::EssentialTaskEnded => ExitCode::FAILURE,
    }
}
