//! Parameters about models: their list, their settings, their offers.

pub mod model_config;
pub mod model_manager;
pub mod offers;
