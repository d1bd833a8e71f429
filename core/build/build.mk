# core/build: requests, queue, steps, results, logs
libbbcore_la_SOURCES += \
	%D%/bb-archive.c %D%/bb-archive.h \
	%D%/bb-build-listing.c %D%/bb-build-listing.h \
	%D%/bb-build-loader.c %D%/bb-build-loader.h \
	%D%/bb-build-log.c %D%/bb-build-log.h \
	%D%/bb-build-master.c %D%/bb-build-master.h \
	%D%/bb-build-private.h \
	%D%/bb-build-retention.c %D%/bb-build-retention.h \
	%D%/bb-build-rows.c \
	%D%/bb-build-runner.c %D%/bb-build-runner.h \
	%D%/bb-build.c %D%/bb-build.h \
	%D%/bb-distributor.c %D%/bb-distributor.h \
	%D%/bb-file-writer.c %D%/bb-file-writer.h \
	%D%/bb-properties.c %D%/bb-properties.h \
	%D%/bb-run-request.c %D%/bb-run-request.h \
	%D%/bb-step-run.c %D%/bb-step-run.h \
	%D%/bb-step-types.c %D%/bb-step-types.h \
	%D%/bb-transfer.c %D%/bb-transfer.h
