// Which keys a query of local_attention.comp sees, in which order, and where they lie.
struct Keys {
    uint place;  // of the query in its sequence; of a chunk: its number
    uint begin;  // first token of the query's window, without its overlap; on a grid its corner
    uint first;  // first local key
    uint locals; // local keys
    uint chunks; // chunks that come after them
};

const uint kFromCall = 0;
const uint kFromRing = 1;
const uint kFromChunks = 2;

struct Place {
    bool is_visible;
    uint source;
    uint row; // of [.., width] there
    float bias;
};

uint minus(uint a, uint b) { return a > b ? a - b : 0; }

// The corner of the square of this side that token t lies in.
uint corner_of(uint t, uint side) { return t / p.grid / side * side * p.grid + t % p.grid / side * side; }

Keys keys_of(uint query, uint held, uint count)
{
    uint t = held + query;
    uint all = held + p.tokens;
    Keys keys = Keys(t, 0, 0, 0, 0);
    uint end = 0;
    if (kForm == kAll) {
        end = p.tokens;
    } else if (kForm == kWindows) {
        keys.begin = t / p.window * p.window;
        keys.first = minus(keys.begin, p.overlap);
        end = kIsCausal == 1 ? t + 1 : min(all, keys.begin + p.window + p.overlap);
    } else if (kForm == kSquares) {
        keys.begin = corner_of(t, p.window);
        end = p.window * p.window;
    } else if (kForm == kChunks) {
        keys.place = held / p.chunk + query;
        keys.first = minus(keys.place * p.chunk, p.overlap);
        end = min(all, (keys.place + 1) * p.chunk + p.overlap);
        // In causal order a chunk has to be over.
        if (kIsCausal == 1 && ((keys.place + 1) * p.chunk > held + count || keys.place >= p.chunks)) end = 0;
    } else {
        uint across = p.grid / p.chunk;
        keys.begin = query / across * p.chunk * p.grid + query % across * p.chunk;
        end = p.chunk * p.chunk;
    }
    keys.locals = minus(end, keys.first);
    if (kChunkArena != kWeights) {
        keys.chunks = p.chunks;
        if (kIsCausal == 1) keys.chunks = min(p.chunks, (kExcludesLocal == 1 ? keys.first : t) / p.chunk);
    }
    return keys;
}

uint token_of(Keys keys, uint n)
{
    if (kForm == kSquares) return keys.begin + n / p.window * p.grid + n % p.window;
    if (kForm == kSquareChunks) return keys.begin + n / p.chunk * p.grid + n % p.chunk;
    return keys.first + n;
}

// Of key n of the window. In a window with overlap keys are counted from where its overlap begins, yet queries from
// where the window itself begins, as the published code has it.
float bias_of(Keys keys, uint n, uint head)
{
    if (kBias != kBuckets && kBias != kTable) return 0.0;
    if (kForm == kSquares) { // a row of the table is narrower than there are differences: some share an entry
        uint dy = keys.place / p.grid % p.window + p.window - 1 - n / p.window;
        uint dx = keys.place % p.grid % p.window + p.window - 1 - n % p.window;
        return weight_floats[p.bias + (dy * p.window + dx) * p.heads + head];
    }
    uint i = keys.place - keys.begin;
    uint j = keys.first + n + p.overlap - keys.begin;
    if (kBias == kTable) return weight_floats[p.bias + (head * p.window + i) * (p.window + 2 * p.overlap) + j];
    uint bucket = uint(weight_floats[p.buckets + j + p.window - 1 - i]);
    return p.scale * weight_floats[p.bias + bucket * p.bias_heads + (p.bias_heads == 1 ? 0 : head)];
}

// Whether a chunk shares one of its own tokens, padding included, with the local keys of a query that looks both ways.
bool is_local(Keys keys, uint chunk)
{
    if (kForm == kSquares) {
        uint across = p.grid / p.chunk;
        uvec2 from = uvec2(chunk % across, chunk / across) * p.chunk;
        uvec2 window = uvec2(keys.begin % p.grid, keys.begin / p.grid);
        return all(lessThan(from, window + p.window)) && all(greaterThan(from + p.chunk, window));
    }
    uint from = chunk * p.chunk;
    return from < keys.begin + p.window + p.overlap && from + p.chunk > minus(keys.begin, p.overlap);
}

Place place_of(Keys keys, uint n, uint slot, uint stream, uint head, uint held)
{
    Place place = Place(n < keys.locals + keys.chunks, kFromCall, 0, 0.0);
    if (n < keys.locals) {
        uint s = token_of(keys, n);
        bool is_kept = kHasRing == 1 && s < held;
        if (is_kept) place.source = kFromRing;
        place.row = (is_kept ? stream * p.ring + s % p.ring : slot * p.tokens + s - held) * p.heads + head;
        place.bias = bias_of(keys, n, head);
    } else if (kChunkArena != kWeights && place.is_visible) {
        uint chunk = n - keys.locals;
        if (kExcludesLocal == 1 && kIsCausal == 0) place.is_visible = !is_local(keys, chunk);
        place.source = kFromChunks;
        place.row = (stream * p.chunks + chunk) * p.heads + head;
    }
    return place;
}
