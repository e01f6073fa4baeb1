/* log_form.h - the log as the extension writes it: "YYYY-MM-DD HH:MM:SS: <level> [Component]<TAB>message", with the event's name behind it.
 * Source: "Key Vault virtual machine extension for Linux" and the logs that its users show. Times are UTC. */
#pragma once
#include "base/log.h"

/* When standard error is the journal (sd-daemon(3), JOURNAL_STREAM), a line begins with its priority, so `journalctl -p` finds errors. */
void log_form_setup(void);
void log_form_write(Buf *line, LogLevel level, const char *event, const LogField *fields, size_t count);
