use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;

use crate::measure::Target;

/// nginx on a free port of loopback, over the yardstick's files; it ends with this.
pub struct Nginx {
    process: Child,
    port: u16,
}

/// `None` where it is not installed.
pub fn start(folder: &Path) -> anyhow::Result<Option<Nginx>> {
    let port = carerecord_testkit::ten_ports();
    let files = folder.join("yardstick");
    let config = folder.join("nginx.conf");
    let text = format!(
        "daemon off; pid {0}/nginx.pid; error_log {0}/nginx.log; worker_processes 2;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n\
         client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0};\n\
         uwsgi_temp_path {0}; scgi_temp_path {0}; error_page 405 =200 $uri;\n\
         server {{ listen 127.0.0.1:{port}; root {1}; }} }}\n",
        folder.display(),
        files.display()
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&config).stderr(Stdio::null());
    let process = match command.spawn() {
        Ok(process) => process,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(Some(Nginx { process, port }))
}

impl Nginx {
    /// A file. Clients send POST; the page for a method that is not allowed is the file itself.
    pub fn file(&self, name: &str) -> Target {
        let url = format!("http://127.0.0.1:{}/{name}", self.port);
        let target = Target::soap(url, "", |_| Bytes::new());
        Target { content_type: "text/plain", least: super::SMALL, ..target }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        // The master ends its workers on SIGTERM only.
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.process.wait();
    }
}
