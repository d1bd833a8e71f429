# doc/doc.mk
EXTRA_DIST += %D%/architecture.md %D%/testing.md
