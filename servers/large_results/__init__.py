"""Messages over the parsing cap: kept on disk unparsed, and read in pages."""
