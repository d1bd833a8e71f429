# tests/slave.mk
