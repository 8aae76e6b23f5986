"""One file per modem family; core.modem.profile finds them by listing this folder."""
