//! `backstop migrate`: schemas only, nothing is served.

use crate::{
    databases::{self, Databases, SocketFolder},
    folder::DataFolder,
    platform,
    screen::Steps,
};

pub(crate) async fn run(folder: &DataFolder, options: databases::Options) -> anyhow::Result<()> {
    let _lock = folder.lock()?;
    let steps = Steps::new();
    let sockets = SocketFolder::new()?;
    let databases = Databases::open(folder.path(), &sockets, &options, |service| {
        steps.step(format!("starting PostgreSQL of {service}"));
    });
    let databases = databases.await?;
    let migrated = platform::migrate(&databases, |part| steps.step(format!("migrating {part}")));
    let migrated = migrated.await;
    databases.close().await;
    migrated?;
    drop(steps);
    println!("every schema is at this program's version");
    Ok(())
}
