/* xml.h - a strict reader of small XML answers, event by event: elements and their text, no document types, attributes passed over. */
#pragma once
#include "base/arena.h"

enum { XML_DEPTH_MAX = 16 };

typedef enum XmlKind { XML_START = 1, XML_TEXT, XML_END, XML_DONE } XmlKind;
typedef struct XmlEvent { XmlKind kind; Str text; } XmlEvent;       /* the element's name (START, END) or the text, decoded */

typedef struct XmlReader {
    Arena *arena;                       /* of decoded texts */
    Str rest;
    Str path[XML_DEPTH_MAX];            /* the open elements, outermost first; an ended one is off when its END is given */
    size_t depth;
    bool has_root, ends_at_once;        /* <a/>: START was given, END is due */
} XmlReader;

void xml_begin(XmlReader *reader, Arena *arena, Str document);
/* ERR_BAD_INPUT: not well-formed, deeper than XML_DEPTH_MAX, or with a document type. XML_DONE comes once the root has ended. */
bool xml_next(XmlReader *reader, XmlEvent *out, Err *err) MUST_CHECK;
bool xml_is_at(const XmlReader *reader, const char *const *path, size_t depth);     /* the open elements are just these */
