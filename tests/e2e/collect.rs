//! What no spec asks for any more goes, after grace and with proof; and everything that keeps it from going.
