//! Models as files: imports, exports, backups, logs, and the copies that are held after a migration.

pub mod backup;
mod export;
mod export_plan;
mod held;
pub mod import;
pub mod import_builder;
mod log_files;
mod logs;
