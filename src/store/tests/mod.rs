mod conformance;
mod files;
mod support;
