# doc/doc.mk
EXTRA_DIST += %D%/substantiation.md %D%/make-substantiation.py %D%/architecture.md %D%/performance.md %D%/testing.md \
	%D%/security.md
