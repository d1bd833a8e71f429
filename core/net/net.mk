# core/net: bytes to messages and back, timers
libbbcore_la_SOURCES += %D%/bb-clock.h %D%/bb-loop.h %D%/bb-slave-link.h %D%/bb-listener.h
libbbcore_la_SOURCES += %D%/bb-clock.c %D%/bb-loop.c %D%/bb-slave-link.c %D%/bb-login-host.c %D%/bb-login-host.h
libbbcore_la_SOURCES += %D%/bb-loop-delay.c %D%/bb-loop-delay.h
libbbcore_la_SOURCES += %D%/bb-link-limits.h %D%/bb-call-table.c %D%/bb-call-table.h %D%/bb-remote-command.c \
	%D%/bb-remote-command.h %D%/bb-slave-commands.c %D%/bb-slave-commands.h \
	%D%/bb-slave-info.c %D%/bb-slave-info.h %D%/bb-output-text.c %D%/bb-output-text.h
libbbcore_la_SOURCES += %D%/bb-stream.c %D%/bb-stream.h %D%/bb-tls.c %D%/bb-tls.h %D%/bb-listener.c %D%/bb-login-ticket.h \
	%D%/bb-port-holder.c %D%/bb-port-holder.h %D%/bb-stranger.c %D%/bb-stranger.h %D%/bb-link.c %D%/bb-link.h %D%/bb-login.c %D%/bb-login.h %D%/bb-login-judge.c %D%/bb-login-judge.h %D%/bb-login-throttle.c %D%/bb-login-throttle.h
libbbcore_la_SOURCES += %D%/pb/bb-banana.c %D%/pb/bb-banana.h %D%/pb/bb-jelly.c %D%/pb/bb-jelly.h \
	%D%/pb/bb-pb-broker.c %D%/pb/bb-pb-broker.h %D%/pb/bb-pb-limits.h \
	%D%/pb/bb-pb-login.c %D%/pb/bb-pb-login-private.h %D%/pb/bb-pb-command.c %D%/pb/bb-pb-command.h \
	%D%/pb/bb-pb-arguments.c %D%/pb/bb-pb-arguments.h \
	%D%/pb/bb-pb-info.c %D%/pb/bb-pb-info.h %D%/pb/bb-pb-link.c %D%/pb/bb-pb-link.h
libbbcore_la_SOURCES += %D%/msgpack/bb-msgpack-limits.h %D%/msgpack/bb-websocket.c %D%/msgpack/bb-websocket.h \
	%D%/msgpack/bb-msgpack-value.c %D%/msgpack/bb-msgpack-value.h \
	%D%/msgpack/bb-msgpack-session.c %D%/msgpack/bb-msgpack-session.h %D%/msgpack/bb-msgpack-login.c \
	%D%/msgpack/bb-msgpack-arguments.c %D%/msgpack/bb-msgpack-arguments.h \
	%D%/msgpack/bb-msgpack-command.c %D%/msgpack/bb-msgpack-command.h \
	%D%/msgpack/bb-msgpack-directories.c %D%/msgpack/bb-msgpack-directories.h \
	%D%/msgpack/bb-msgpack-link.c %D%/msgpack/bb-msgpack-link.h
