# doc/doc.mk
EXTRA_DIST += %D%/testing.md
