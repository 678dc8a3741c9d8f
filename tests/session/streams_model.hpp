// A small policy with every kind of state that a stream can have, for tests of streams.
#pragma once

#include "model_file.hpp"

namespace gramian {

/// x [3] -> short_conv -> gru -> linear_attention with decay -> softmax -> sample -> embedding, beside the mixture: y.
inline ModelFile remembering_model()
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"remembering",
        "inputs":[{"name":"x","size":3}],"outputs":[{"name":"y","size":9}],
        "nodes":[
        {"op":"short_conv","in":["x"],"out":["c"],"weights":{"weight":"conv"},"attributes":{"kind":"silu"}},
        {"op":"gru","in":["c"],"out":["h"],"weights":{"weight_ih":"ih","weight_hh":"hh","bias_hh":"b"}},
        {"op":"linear","in":["h"],"out":["g"],"weights":{"weight":"decay"}},
        {"op":"linear_attention","in":{"q":"h","k":"h","v":"h","decay":"g"},"out":["o"],
         "attributes":{"heads":2,"decay_form":"neg_exp"}},
        {"op":"softmax","in":["o"],"out":["p"]},
        {"op":"sample","in":["p"],"out":["i"],"attributes":{"seed":5}},
        {"op":"embedding","in":["i"],"out":["e"],"weights":{"weight":"table"}},
        {"op":"concat","in":["o","i","e"],"out":["y"]}]})");
    file.store("conv", {3, 3}, random_values(1, 9));
    file.store("ih", {18, 3}, random_values(2, 54));
    file.store("hh", {18, 6}, random_values(3, 108, 0.4));
    file.store("b", {18}, random_values(4, 18));
    file.store("decay", {2, 6}, random_values(5, 12));
    file.store("table", {6, 2}, random_values(6, 12));
    return file;
}

} // namespace gramian
