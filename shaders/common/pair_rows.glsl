// The pairs that a query of softmax attention sees: given ones, or those of a ring and the new tokens. Needs
// `attention`, a macro for its SoftmaxAttentionParameters, and arenas as specialisation constants.

struct Query {
    uint row;    // of q and o
    uint head;
    uint stream;
    uint batch;  // of k and v
    uint before; // pairs in the ring
    uint begin;  // keys that it sees: begin .. end - 1
    uint end;
};

// Row `group` of those that a launch takes.
Query query_of(uint group, uint head)
{
    Query query;
    uint slot = group / attention.queries;
    uint token = group % attention.queries;
    query.row = (slot * attention.tokens + attention.first + token) * attention.heads + head;
    query.head = head;
    query.stream = readable_stream_of(attention.streams, slot);
    query.batch = kHasRing == 1 ? slot : query.stream;
    query.before = 0;
    if (kHasRing == 1) query.before = attention.total == kNone ? attention.position : state_words[attention.total + 2 * query.stream];
    uint t = query.before + token;
    query.end = kHasRing == 1 ? t + 1 : attention.total == kNone ? attention.keys : state_words[attention.total + query.stream];
    if (attention.is_causal == 1) query.end = min(query.end, t + 1);
    if (attention.window > 0) query.end = min(query.end, t + attention.window);
    query.begin = attention.window > 0 ? t + 1 - min(t + 1, attention.window) : 0;
    return query;
}

// Rows of pair `key`, of a head: in k and v, or in the ring where it is older than the new tokens.
uint given_row(Query query, uint key)
{
    uint first = kHasRing == 1 ? query.batch * attention.tokens + attention.first : query.batch * attention.keys;
    return (first + key - query.before) * attention.heads + query.head;
}
uint ring_row(Query query, uint key) { return (query.stream * attention.keys + key % attention.keys) * attention.heads + query.head; }

float score_in(uint arena, uint q, uint k)
{
    float sum = 0.0;
    if (kHasVectors == 1) {
        for (uint i = 0; i < attention.width; i += 4) {
            vec4 a = load_vector(kQArena, (q + i) / 4);
            vec4 b = load_vector(arena, (k + i) / 4);
            sum = fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
        }
        return attention.scale * sum;
    }
    for (uint i = 0; i < attention.width; ++i) sum = fma(load(kQArena, q + i), load(arena, k + i), sum);
    return attention.scale * sum;
}

float score(Query query, uint key)
{
    uint q = attention.q + query.row * attention.width;
    if (key < query.before) return score_in(kRingArena, q, attention.ring_k + ring_row(query, key) * attention.width);
    return score_in(kKArena, q, attention.k + given_row(query, key) * attention.width);
}

float value_at(Query query, uint key, uint column)
{
    if (key < query.before) return load(kRingArena, attention.ring_v + ring_row(query, key) * attention.columns + column);
    return load(kVArena, attention.v + given_row(query, key) * attention.columns + column);
}
