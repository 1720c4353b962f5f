//! Gohan's property formats: what each accepts and its canonical text.
