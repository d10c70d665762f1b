"""The command line. Every command speaks the HTTP API: of a running gateway, or of one opened in this process."""
