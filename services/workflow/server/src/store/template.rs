//! Procedure templates: those that come with the program, and those that were loaded.

use std::sync::Arc;

use anyhow::Context;
use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use kernel::DivisionCode;
use sqlx::PgConnection;
use workflow_core::{DEFAULT, SHIPPED, Template};

/// A template, and where it stands.
pub struct Listed {
    pub template: Arc<Template>,
    pub division: DivisionCode,
    pub is_shipped: bool,
    pub is_default: bool,
}

/// The version of a template that a case began with.
///
/// # Errors
/// The database does not answer, or there is no such version.
pub async fn find(
    connection: &mut PgConnection,
    id: &str,
    version: i32,
) -> Result<Arc<Template>, Error> {
    let is_it = |t: &&Arc<Template>| t.id == id && t.version == version;
    if let Some(template) = SHIPPED.iter().find(is_it) {
        return Ok(template.clone());
    }
    let body: Option<String> =
        sqlx::query_scalar("select body from workflow.templates where id = $1 and version = $2")
            .bind(id)
            .bind(version)
            .fetch_optional(connection)
            .await?;
    let body = body.with_context(|| format!("no template {id} version {version}"));
    body.and_then(|body| read(&body)).map_err(Error::Internal)
}

/// The template on which a case in `division` begins that day: the newest version of `id`, or the
/// default without one. `None` when there is none.
pub async fn choose(
    tx: &mut Tx,
    id: &str,
    division: &DivisionCode,
    day: NaiveDate,
) -> Result<Option<Arc<Template>>, Error> {
    let rows = sqlx::query!(
        "select division_code, body from workflow.templates
         where (id = $1 or ($1 = '' and is_default))
           and valid_from <= $2 and (valid_until is null or valid_until >= $2)
         order by case when $1 = '' then loaded_at end desc, version desc",
        id,
        day
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut loaded = None;
    for row in rows {
        let own: DivisionCode = row
            .division_code
            .parse()
            .context("division_code")
            .map_err(Error::Internal)?;
        if own.contains(division) {
            loaded = Some(read(&row.body).map_err(Error::Internal)?);
            break;
        }
    }
    let wanted = if id.is_empty() { DEFAULT } else { id };
    let applies = |t: &&Arc<Template>| t.id == wanted && t.applies(*division, day);
    let shipped = SHIPPED.iter().find(applies).cloned();
    let is_newer = |loaded: &Arc<Template>| {
        id.is_empty() || shipped.as_ref().is_none_or(|s| s.version < loaded.version)
    };
    Ok(loaded.filter(is_newer).or(shipped))
}

/// All versions of `id`, of everything without one; newest first.
pub async fn list(tx: &mut Tx, id: &str) -> Result<Vec<Listed>, Error> {
    let rows = sqlx::query!(
        "select division_code, is_default, body from workflow.templates
         where $1 = '' or id = $1
         order by id, version desc",
        id
    )
    .fetch_all(&mut **tx)
    .await?;
    let loaded = rows.into_iter().map(|row| {
        Ok(Listed {
            template: read(&row.body)?,
            division: row.division_code.parse().context("division_code")?,
            is_shipped: false,
            is_default: row.is_default,
        })
    });
    let mut listed: Vec<Listed> = loaded
        .collect::<anyhow::Result<_>>()
        .map_err(Error::Internal)?;
    let division = tx.principal().scope.division;
    let shipped = SHIPPED.iter().filter(|t| id.is_empty() || t.id == id);
    listed.extend(shipped.map(|template| Listed {
        template: template.clone(),
        division,
        is_shipped: true,
        is_default: template.id == DEFAULT,
    }));
    Ok(listed)
}

/// Stores a version; `false` when it is there already.
pub async fn insert(
    tx: &mut Tx,
    template: &Template,
    json: &str,
    division: &DivisionCode,
    is_default: bool,
) -> Result<bool, Error> {
    let (by, at) = (tx.principal().subject.clone(), tx.now());
    let inserted = sqlx::query!(
        "insert into workflow.templates
             (id, version, division_code, valid_from, valid_until, is_default, body, loaded_by,
              loaded_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict do nothing",
        template.id,
        template.version,
        division.as_str(),
        template.valid_from,
        template.valid_until,
        is_default,
        json,
        by,
        at
    )
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

fn read(body: &str) -> anyhow::Result<Arc<Template>> {
    let read = Template::read(body).map(Arc::new);
    read.map_err(|faults| anyhow::anyhow!("a stored template does not read: {faults:?}"))
}
