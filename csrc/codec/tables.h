// Which functions an interpreter has sent, and which it has loaded.

#ifndef COT_CODEC_TABLES_H
#define COT_CODEC_TABLES_H

#include "codec/codec.h"
#include "codec/function.h"

int cot_sent_traverse(struct cot_sent *sent, visitproc visit, void *arg);
void cot_sent_clear(cot_codec *codec);

// The callable that this interpreter sent as `function`: a new reference, or
// NULL (no exception) if there is none, or it died.
PyObject *cot_sent_find(cot_codec *codec, const cot_function *function);

int cot_loaded_traverse(struct cot_loaded *loaded, visitproc visit, void *arg);
void cot_loaded_clear(cot_codec *codec);

#endif
