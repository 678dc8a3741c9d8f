#version 450
#extension GL_GOOGLE_include_directive : require
// Moves a tensor of some streams to and from rows that hold whole streams, or adds such rows to it. Words are moved as
// they are: a state that is saved and restored keeps every bit.
#include "common/storage.glsl"
#include "state_rows.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kRowsArena = kIo; // kIo or kState
layout(constant_id = 1) const uint kMove = 0;        // the numbers are those of gramian::StateMove
layout(push_constant) uniform Push { StateRowsParameters p; };

const uint kPack = 0;
const uint kUnpack = 1;
const uint kAdd = 2;

uint load_word(uint index) { return kRowsArena == kState ? state_words[index] : io_words[index]; }

void main()
{
    uint stream = io_words[p.moves + 2 * gl_WorkGroupID.y];
    uint row = io_words[p.moves + 2 * gl_WorkGroupID.y + 1];
    uint at = p.state + stream * p.size;
    uint packed = p.rows + row * p.row_size + p.row_offset;
    for (uint i = gl_WorkGroupID.x * 64 + gl_LocalInvocationID.x; i < p.size; i += gl_NumWorkGroups.x * 64) {
        if (kMove == kPack && kRowsArena == kState) state_words[packed + i] = state_words[at + i];
        if (kMove == kPack && kRowsArena == kIo) io_words[packed + i] = state_words[at + i];
        if (kMove == kUnpack) state_words[at + i] = load_word(packed + i);
        if (kMove == kAdd) state_floats[at + i] = fma(io_floats[p.weight], load(kRowsArena, packed + i), state_floats[at + i]);
    }
}
