// Model files that do not hold up: one for each check, with the words that tell its author what is wrong.
#include "model_file.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <functional>
#include <limits>

using namespace gramian;

namespace {

struct Malformed {
    std::string what; // what is changed
    std::string_view words;
    std::function<void(ModelFile&)> change;
    Status status = Status::invalid_model;
};

void check(const ModelFile& valid, const std::vector<Malformed>& cases)
{
    CHECK_NOTHROW((void)valid.parse(test_device())); // or the cases below would prove nothing
    for (const Malformed& malformed : cases) {
        CAPTURE(malformed.what);
        ModelFile file = valid;
        malformed.change(file);
        for (Device* device : {&test_device(), &host_device()}) {
            refused(malformed.status, malformed.words, [&] { (void)file.parse(*device); });
        }
        refused(malformed.status, "made.safetensors", [&] { (void)file.parse(host_device()); });
    }
}

Json& node(ModelFile& file, size_t index)
{
    return file.json["nodes"][index];
}

void set_value(ModelFile& file, const std::string& tensor, size_t index, float value)
{
    std::memcpy(file.tensors[tensor].data.data() + 4 * index, &value, 4);
}

} // namespace

TEST_CASE("malformed model: the description as a whole")
{
    check(feedforward_model(),
          {
              {"no description", "expected __metadata__ to hold 'gramian.model'",
               [](auto& f) { f.has_description = false; }},
              {"a list", "expected an object, found an array of 0", [](auto& f) { f.json = Json::array(); }},
              {"a number", "expected an object, found the number 3", [](auto& f) { f.json = 3; }},
              {"an unknown field", "\"layers\"", [](auto& f) { f.json["layers"] = 2; }},
              {"no version", "\"version\" is missing", [](auto& f) { f.json.erase("version"); }},
              {"version 0", "from 1 to", [](auto& f) { f.json["version"] = 0; }},
              {"version 2", "format version 2, this engine reads version 1", [](auto& f) { f.json["version"] = 2; }},
              {"version text", "\"version\": expected an integer", [](auto& f) { f.json["version"] = "1"; }},
              {"version 1.0", "\"version\": expected an integer", [](auto& f) { f.json["version"] = 1.0; }},
              {"no name", "\"name\" is missing", [](auto& f) { f.json.erase("name"); }},
              {"name number", "\"name\": expected a string", [](auto& f) { f.json["name"] = 7; }},
              {"task number", "\"task\": expected a string", [](auto& f) { f.json["task"] = 7; }},
              {"period text", "\"period_s\": expected a number", [](auto& f) { f.json["period_s"] = "fast"; }},
              {"teacher_return null", "\"teacher_return\": expected a number",
               [](auto& f) { f.json["teacher_return"] = nullptr; }},
              {"no nodes", "\"nodes\" is missing", [](auto& f) { f.json.erase("nodes"); }},
              {"nodes object", "\"nodes\": expected an array", [](auto& f) { f.json["nodes"] = Json::object(); }},
              {"empty nodes", "expected 1 to 10000 nodes, found 0", [](auto& f) { f.json["nodes"] = Json::array(); }},
              {"10,001 nodes", "expected 1 to 10000 nodes, found 10001",
               [](auto& f) { f.json["nodes"] = Json(10'001, f.json["nodes"][0]); }},
          });
}

TEST_CASE("malformed model: inputs and outputs")
{
    check(
        feedforward_model(),
        {
            {"no inputs", "\"inputs\" is missing", [](auto& f) { f.json.erase("inputs"); }},
            {"no outputs", "\"outputs\" is missing", [](auto& f) { f.json.erase("outputs"); }},
            {"inputs object", "\"inputs\": expected an array", [](auto& f) { f.json["inputs"] = Json::object(); }},
            {"empty inputs", "inputs: expected 1 to 64, found 0", [](auto& f) { f.json["inputs"] = Json::array(); }},
            {"empty outputs", "outputs: expected 1 to 64, found 0", [](auto& f) { f.json["outputs"] = Json::array(); }},
            {"65 inputs", "inputs: expected 1 to 64, found 65",
             [](auto& f) { f.json["inputs"] = Json(65, f.json["inputs"][0]); }},
            {"an input that is a number", "inputs[0]: expected an object", [](auto& f) { f.json["inputs"][0] = 1; }},
            {"an unknown field of a port", "\"scale\"", [](auto& f) { f.json["inputs"][0]["scale"] = 1; }},
            {"no name", "inputs[0]: \"name\" is missing", [](auto& f) { f.json["inputs"][0].erase("name"); }},
            {"empty name", "a value needs a name", [](auto& f) { f.json["inputs"][0]["name"] = ""; }},
            {"no size", "inputs[0]: \"size\" is missing", [](auto& f) { f.json["inputs"][0].erase("size"); }},
            {"size 0", "\"size\": expected an integer from 1 to 65536, found the number 0",
             [](auto& f) { f.json["inputs"][0]["size"] = 0; }},
            {"size 65,537", "from 1 to 65536, found the number 65537",
             [](auto& f) { f.json["inputs"][0]["size"] = 65'537; }},
            {"size -1", "found the number -1", [](auto& f) { f.json["inputs"][0]["size"] = -1; }},
            {"context text", "\"context\": expected", [](auto& f) { f.json["inputs"][0]["context"] = "yes"; }},
            {"low number", "\"low\": expected an array", [](auto& f) { f.json["outputs"][0]["low"] = -1; }},
            {"low too short", "low: expected 2 finite numbers, found an array of 1",
             [](auto& f) { f.json["outputs"][0]["low"] = {-1}; }},
            {"high with text", "high: expected 2 finite numbers",
             [](auto& f) {
                 f.json["outputs"][0]["high"] = {1, "1"};
             }},
            {"high infinite in fp32", "high: expected 2 finite numbers",
             [](auto& f) {
                 f.json["outputs"][0]["high"] = {1, 1e39};
             }},
            {"two inputs of one name", "inputs[1]: the name \"observation\" is taken",
             [](auto& f) { f.json["inputs"].push_back(f.json["inputs"][0]); }},
            {"two outputs of one name", "outputs[1]: the name \"action\" is taken",
             [](auto& f) { f.json["outputs"].push_back(f.json["outputs"][0]); }},
            {"only context inputs", "expected an input that is no context input",
             [](auto& f) { f.json["inputs"][0]["context"] = true; }},
            {"an input that nothing reads", "input \"clock\" feeds no node",
             [](auto& f) {
                 f.json["inputs"].push_back({{"name", "clock"}, {"size", 1}});
             }},
            {"an output that no node makes", "output \"torque\": no node makes this value; there are:",
             [](auto& f) { f.json["outputs"][0]["name"] = "torque"; }},
            {"an output of another size", "output \"action\": expected size 3, its node makes 2",
             [](auto& f) { f.json["outputs"][0]["size"] = 3; }},
            {"an output that is an input", "output \"observation\" is an input",
             [](auto& f) {
                 f.json["outputs"].push_back({{"name", "observation"}, {"size", 3}});
             }},
            {"an output marked context", "output \"action\" is marked context",
             [](auto& f) { f.json["outputs"][0]["context"] = true; }},
        });
}

TEST_CASE("malformed model: nodes and how they are wired")
{
    check(
        feedforward_model(),
        {
            {"a node that is text", "node 0: expected an object", [](auto& f) { node(f, 0) = "linear"; }},
            {"an unknown field", "node 0: unknown field \"input\"", [](auto& f) { node(f, 0)["input"] = 1; }},
            {"no op", "node 0: \"op\" is missing", [](auto& f) { node(f, 0).erase("op"); }},
            {"op number", "node 0: \"op\": expected a string", [](auto& f) { node(f, 0)["op"] = 1; }},
            {"an unknown op", "node 0: no node operator \"dense\"; there are: linear,",
             [](auto& f) { node(f, 0)["op"] = "dense"; }},
            {"an operator on matrices", "no node operator \"ridge_solve\"",
             [](auto& f) { node(f, 0)["op"] = "ridge_solve"; }},
            {"no in", "node 0 (linear): 'in': expected an array or an object, found null",
             [](auto& f) { node(f, 0).erase("in"); }},
            {"in text", "'in': expected an array or an object, found the string",
             [](auto& f) { node(f, 0)["in"] = "observation"; }},
            {"too many inputs", "expected 1 inputs (x), found 2",
             [](auto& f) {
                 node(f, 0)["in"] = {"observation", "observation"};
             }},
            {"no inputs", "expected 1 inputs (x), found 0", [](auto& f) { node(f, 0)["in"] = Json::array(); }},
            {"a port left out", "input 'x' is not wired", [](auto& f) { node(f, 0)["in"] = Json::object(); }},
            {"an unknown port", "no input \"y\" that a value could feed",
             [](auto& f) {
                 node(f, 0)["in"] = {{"y", "observation"}};
             }},
            {"a weight fed by a value", "no input \"weight\" that a value could feed",
             [](auto& f) {
                 node(f, 0)["in"] = {{"x", "observation"}, {"weight", "observation"}};
             }},
            {"a value that is a number", "input 'x': expected the name of a value, found the number 3",
             [](auto& f) { node(f, 0)["in"] = {3}; }},
            {"a dangling value", "no value \"nothing\" is made before this node; there are: \"observation\"",
             [](auto& f) { node(f, 0)["in"] = {"nothing"}; }},
            {"a node that reads itself", "no value \"h\" is made before this node",
             [](auto& f) { node(f, 0)["in"] = {"h"}; }},
            {"a cycle", "no value \"action\" is made before this node", [](auto& f) { node(f, 0)["in"] = {"action"}; }},
            {"nodes in the wrong order", "no value \"h\" is made before this node",
             [](auto& f) { std::swap(node(f, 0), node(f, 1)); }},
            {"no out", "'out': expected an array or an object, found null", [](auto& f) { node(f, 0).erase("out"); }},
            {"out text", "'out': expected an array or an object", [](auto& f) { node(f, 0)["out"] = "h"; }},
            {"two outputs", "expected 1 outputs (y), found 2",
             [](auto& f) {
                 node(f, 0)["out"] = {"h", "h2"};
             }},
            {"an output number", "output 'y': expected the name of a value, found the number 1",
             [](auto& f) { node(f, 0)["out"] = {1}; }},
            {"an output under a wrong name", "output 'y': expected the name of a value, found null",
             [](auto& f) {
                 node(f, 0)["out"] = {{"z", "h"}};
             }},
            {"an output without a name", "a value needs a name", [](auto& f) { node(f, 0)["out"] = {""}; }},
            {"a value made twice", "node 1 (activation): the value \"h\" is made twice",
             [](auto& f) { node(f, 1)["out"] = {"h"}; }},
            {"a value named like an input", "the value \"observation\" is made twice",
             [](auto& f) { node(f, 0)["out"] = {"observation"}; }},
        });
}

TEST_CASE("malformed model: attributes")
{
    ModelFile squash = feedforward_model();
    node(squash, 1) = Json::parse(
        R"({"op":"squash","in":["h"],"out":["action"],"attributes":{"kind":"clip","low":[-1,-1],"high":[1,1]}})");
    check(squash,
          {
              {"attributes list", "node 1 (squash): attributes: expected an object, found an array of 0",
               [](auto& f) { node(f, 1)["attributes"] = Json::array(); }},
              {"an unknown attribute", "squash has no attribute \"gain\"; it has: kind, low, high",
               [](auto& f) { node(f, 1)["attributes"]["gain"] = 1; }},
              {"heads where there are none", "squash has no attribute \"heads\"",
               [](auto& f) { node(f, 1)["attributes"]["heads"] = 1; }},
              {"no kind", "attribute 'kind' is missing, one of none, clip, tanh",
               [](auto& f) { node(f, 1)["attributes"].erase("kind"); }},
              {"kind number", "'kind': expected one of", [](auto& f) { node(f, 1)["attributes"]["kind"] = 1; }},
              {"kind unknown", "'kind': expected one of none, clip, tanh, found the string \"relu\"",
               [](auto& f) { node(f, 1)["attributes"]["kind"] = "relu"; }},
              {"no low", "'low': expected an array of 2 finite numbers, found nothing",
               [](auto& f) { node(f, 1)["attributes"].erase("low"); }},
              {"low too short", "'low': expected an array of 2 finite numbers, found an array of 1",
               [](auto& f) { node(f, 1)["attributes"]["low"] = {-1}; }},
              {"low number", "'low': expected an array of 2", [](auto& f) { node(f, 1)["attributes"]["low"] = -1; }},
              {"low with text", "'low': expected an array of 2",
               [](auto& f) {
                   node(f, 1)["attributes"]["low"] = {-1, "-1"};
               }},
              {"low above high", "low 2 is above high 1 in channel 1",
               [](auto& f) {
                   node(f, 1)["attributes"]["low"] = {-1, 2};
               }},
          });

    ModelFile normalize = feedforward_model(3, 3);
    node(normalize, 1) = Json::parse(R"({"op":"normalize","in":["h"],"out":["action"],
        "weights":{"mean":"mean","variance":"variance"},"attributes":{"epsilon":1e-6,"clip":5}})");
    normalize.store("mean", {3}, {0, 1, 2});
    normalize.store("variance", {3}, {1, 2, 3});
    check(normalize,
          {
              {"epsilon text", "'epsilon': expected a number",
               [](auto& f) { node(f, 1)["attributes"]["epsilon"] = "small"; }},
              {"epsilon negative", "'epsilon': expected a number from 0",
               [](auto& f) { node(f, 1)["attributes"]["epsilon"] = -1; }},
              {"clip true", "'clip': expected a number", [](auto& f) { node(f, 1)["attributes"]["clip"] = true; }},
              {"mean of another size", "mean: expected [3], found [2]",
               [](auto& f) {
                   f.store("mean", {2}, {0, 1});
               }},
              {"variance as a matrix", "variance: expected [3], found [3, 1]",
               [](auto& f) {
                   f.store("variance", {3, 1}, {1, 1, 1});
               }},
              {"a negative variance", "variance",
               [](auto& f) {
                   f.store("variance", {3}, {1, -1, 1});
               }},
          });
}

TEST_CASE("malformed model: weights")
{
    check(
        feedforward_model(),
        {
            {"weights list", "node 0 (linear): 'weights': expected an object, found an array of 1",
             [](auto& f) { node(f, 0)["weights"] = {"w"}; }},
            {"no weights", "weight 'weight' is missing", [](auto& f) { node(f, 0).erase("weights"); }},
            {"an unknown weight", "linear takes no weight \"gain\"",
             [](auto& f) { node(f, 0)["weights"]["gain"] = "w"; }},
            {"a weight for a value", "linear takes no weight \"x\"", [](auto& f) { node(f, 0)["weights"]["x"] = "w"; }},
            {"weights where none are taken", "activation takes no weight \"weight\"",
             [](auto& f) {
                 node(f, 1)["weights"] = {{"weight", "w"}};
             }},
            {"a tensor that is a number", "weight 'bias': expected the name of a tensor, found the number 1",
             [](auto& f) { node(f, 0)["weights"]["bias"] = 1; }},
            {"a tensor that is not there", "weight 'bias': the file holds no tensor \"c\"",
             [](auto& f) { node(f, 0)["weights"]["bias"] = "c"; }},
            {"a tensor that nothing uses", "tensor \"spare\" is used by no node",
             [](auto& f) { f.store("spare", {1}, {1}); }},
            {"a tensor that nothing uses, named nearly like statistics", "tensor \"statistic.g\" is used by no node",
             [](auto& f) { f.store("statistic.g", {1}, {1}); }},
            {"NaN", "tensor \"w\": element 4 is nan, expected a finite number",
             [](auto& f) { set_value(f, "w", 4, std::nanf("")); }},
            {"infinity", "tensor \"b\": element 1 is inf",
             [](auto& f) { set_value(f, "b", 1, std::numeric_limits<float>::infinity()); }},
            {"F64 beyond fp32", "tensor \"b\": element 0 is inf",
             [](auto& f) {
                 f.store("b", DType::f64, {2}, std::vector<double>{1e300, 0});
             }},
            {"F16 infinity", "tensor \"b\": element 1 is inf",
             [](auto& f) {
                 f.store("b", DType::f16, {2}, std::vector<uint16_t>{0, 0x7C00});
             }},
            {"F16 infinity in a weight that stays half", "tensor \"w\": element 5 is -inf, expected a finite number",
             [](auto& f) {
                 f.store("w", DType::f16, {2, 3}, std::vector<uint16_t>{0, 1, 2, 3, 4, 0xFC00});
             }},
            {"F16 NaN in a weight that stays half", "tensor \"w\": element 0 is",
             [](auto& f) {
                 f.store("w", DType::f16, {2, 3}, std::vector<uint16_t>{0x7E01, 1, 2, 3, 4, 5});
             }},
            {"an F16 weight for another input size", "x [1, 3] and weight [2, 4]",
             [](auto& f) {
                 f.store("w", DType::f16, {2, 4}, std::vector<uint16_t>(8));
             }},
            {"integers", "tensor \"b\": expected F32, F16, BF16 or F64, found I32",
             [](auto& f) {
                 f.store("b", DType::i32, {2}, std::vector<int32_t>{1, 2});
             }},
            {"a weight for another input size", "x [1, 3] and weight [2, 4]",
             [](auto& f) {
                 f.store("w", {2, 4}, std::vector<float>(8));
             }},
            {"a transposed weight", "x [1, 3] and weight [3, 2]",
             [](auto& f) {
                 f.store("w", {3, 2}, std::vector<float>(6));
             }},
            {"a weight of rank 1", "tensor \"w\" has shape [6], expected two extents",
             [](auto& f) { f.store("w", {6}, std::vector<float>(6)); }},
            {"a weight of rank 3", "tensor \"w\" has shape [2, 3, 1], expected two extents",
             [](auto& f) {
                 f.store("w", {2, 3, 1}, std::vector<float>(6));
             }},
            {"a weight of rank 7", "rank 7",
             [](auto& f) {
                 f.store("w", {1, 1, 1, 1, 1, 2, 3}, std::vector<float>(6));
             }},
            {"an empty weight", "tensor \"w\" has shape [0, 3]",
             [](auto& f) {
                 f.store("w", {0, 3}, {});
             }},
            {"a scalar bias", "tensor \"b\" has shape []", [](auto& f) { f.store("b", {}, {1}); }},
            {"a bias of another size", "bias: expected [2], found [3]",
             [](auto& f) {
                 f.store("b", {3}, {1, 2, 3});
             }},
            {"weight and bias exchanged", "tensor \"b\" has shape [2], expected two extents",
             [](auto& f) {
                 node(f, 0)["weights"] = {{"weight", "b"}, {"bias", "w"}};
             }},
            {"a value of more than 65,536 channels", "value \"h\" has size 65537, at most 65536",
             [](auto& f) {
                 f.store("w", {65'537, 3}, std::vector<float>(196'611));
                 f.store("b", {65'537}, std::vector<float>(65'537));
             }},
        });
}

TEST_CASE("malformed model: heads that learn from a context")
{
    const auto attribute = [](const char* name, Json value) {
        return [name, value](ModelFile& f) { node(f, 2)["attributes"][name] = value; };
    };
    const ModelFile intention = encoded_model("intention", {{"alpha_relative", 1e-3}, {"heads", 2}});
    check(
        intention,
        {
            {"heads that do not divide the key", "has size 8, expected a multiple of its 3 heads",
             attribute("heads", 3)},
            {"heads that do not divide the value", "input 'v' has size 2, expected a multiple of its 4 heads",
             attribute("heads", 4)},
            {"no heads", "\"heads\": expected an integer from 1 to 4096, found the number 0", attribute("heads", 0)},
            {"heads text", "\"heads\": expected an integer", attribute("heads", "2")},
            {"both alphas", "both 'alpha' and 'alpha_relative' are given", attribute("alpha", 1)},
            {"alpha_relative negative", "'alpha_relative': expected a number from 0", attribute("alpha_relative", -1)},
            {"alpha_relative text", "'alpha_relative': expected a number", attribute("alpha_relative", "1e-4")},
            {"forget above 1", "'forget': expected a number from 0 to 1", attribute("forget", 1.5)},
            {"forget text", "'forget': expected a number from 0 to 1", attribute("forget", "half")},
            {"a solver for queries", "over a context input the solver is cholesky or rls, not qr",
             attribute("solver", "qr"), Status::unsupported},
            {"causal", "causal: true has no meaning over a context input", attribute("causal", true)},
            {"an unknown attribute", "intention has no attribute \"capacity\"", attribute("capacity", 10)},
            {"a query from the context", "input 'q' depends on a context input",
             [](auto& f) {
                 f.json["inputs"][1]["size"] = 8;
                 node(f, 2)["in"]["q"] = "target";
             }},
            {"queries and keys of different width", "k [1, 1, 2, 4], v [1, 1, 2, 1] and q [1, 1, 2, 2]",
             [](auto& f) { node(f, 2)["in"]["q"] = "observation"; }},
            {"a state wired by hand", "no input \"state_g\" that a value could feed",
             [](auto& f) { node(f, 2)["in"]["state_g"] = "key"; }},
            {"a missing query", "input 'q' is not wired", [](auto& f) { node(f, 2)["in"].erase("q"); }},
            {"weights of pairs with another width", "beta: expected [1, 1, 2]",
             [](auto& f) { node(f, 2)["in"]["beta"] = "key"; }},
            {"a ridge of another shape", "ridge: expected [2, 4], found [8]",
             [](auto& f) {
                 node(f, 2)["weights"] = {{"ridge", "r"}};
                 f.store("r", {8}, std::vector<float>(8, 1));
             }},
            {"an output that is known while observing only",
             "output \"copy\" depends on a context input other than through a node that learns",
             [](auto& f) {
                 f.json["nodes"].push_back(
                     Json::parse(R"({"op":"activation","in":["target"],"out":["copy"],"attributes":{"kind":"relu"}})"));
                 f.json["outputs"].push_back({{"name", "copy"}, {"size", 2}});
             }},
            {"a context input that nothing learns from", "input \"target\" feeds no node",
             [](auto& f) {
                 node(f, 2)["in"]["v"] = "key";
                 f.json["outputs"][0]["size"] = 8;
             }},
        });

    check(encoded_model("softmax_attention", {{"capacity", 10}}),
          {
              {"no capacity", "attribute 'capacity' is missing",
               [](auto& f) { node(f, 2)["attributes"].erase("capacity"); }},
              {"capacity 0", "'capacity': expected an integer from 1 to 16777216", attribute("capacity", 0)},
              {"capacity 1.5", "'capacity': expected an integer", attribute("capacity", 1.5)},
              {"scale text", "'scale': expected a number", attribute("scale", "auto")},
              {"causal number", "'causal': expected true or false", attribute("causal", 1)},
          });

    check(encoded_model("linear_attention", {{"normalize", true}}),
          {
              {"an unknown feature", "'feature': expected one of identity, elu1, exp, relu",
               attribute("feature", "sine")},
              {"normalize number", "'normalize': expected true or false", attribute("normalize", 1)},
              {"scale text", "'scale': expected a number", attribute("scale", "auto")},
              {"epsilon negative", "'epsilon': expected a number from 0", attribute("epsilon", -1)},
              {"denominator_min text", "'denominator_min': expected a number", attribute("denominator_min", "1")},
              {"a decay of another width", "decay", [](auto& f) { node(f, 2)["in"]["decay"] = "observation"; }},
          });
}

TEST_CASE("malformed model: golden rollouts")
{
    ModelFile golden = feedforward_model();
    golden.store("golden.observation", {4, 3}, std::vector<float>(12));
    golden.store("golden.action", {4, 2}, std::vector<float>(8));
    check(golden, {
                      {"no golden output", "a golden rollout without the tensor 'golden.action'",
                       [](auto& f) { f.tensors.erase("golden.action"); }},
                      {"no golden input", "a golden rollout without the tensor 'golden.observation'",
                       [](auto& f) { f.tensors.erase("golden.observation"); }},
                      {"another width", "\"golden.observation\": expected shape [T, 3], found [3, 4]",
                       [](auto& f) {
                           f.store("golden.observation", {3, 4}, std::vector<float>(12));
                       }},
                      {"rank 1", "\"golden.observation\": expected shape [T, 3], found [12]",
                       [](auto& f) { f.store("golden.observation", {12}, std::vector<float>(12)); }},
                      {"another length", "\"golden.action\": expected shape [4, 2], found [3, 2]",
                       [](auto& f) {
                           f.store("golden.action", {3, 2}, std::vector<float>(6));
                       }},
                      {"no tokens", "expected shape [T, 3], found [0, 3]",
                       [](auto& f) {
                           f.store("golden.observation", {0, 3}, {});
                       }},
                      {"NaN", "\"golden.action\": element 1 is nan",
                       [](auto& f) { set_value(f, "golden.action", 1, std::nanf("")); }},
                      {"a golden tensor of no port", "tensor \"golden.reward\" is used by no node",
                       [](auto& f) {
                           f.store("golden.reward", {4, 1}, std::vector<float>(4));
                       }},
                  });
}

TEST_CASE("malformed model: a file that is no container, and one that is cut")
{
    refused(Status::invalid_model, "none: expected at least 8 bytes, found 0",
            [] { (void)Model::parse(test_device(), {}, "none"); });
    const std::vector<std::byte> whole = encoded_model("intention", Json::object()).bytes();
    for (size_t size = 0; size < whole.size(); size += 7) {
        refused(Status::invalid_model, "cut", [&] {
            (void)Model::parse(host_device(), {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)}, "cut");
        });
    }
}

TEST_CASE("malformed model: messages stay short and printable, whatever the names")
{
    const std::string name = "\x1b[2J" + std::string(5'000, 'n');
    for (const char* place : {"in", "out", "op"}) {
        ModelFile file = feedforward_model();
        if (std::string_view(place) == "op")
            node(file, 0)["op"] = name;
        else
            node(file, 0)[place] = {name};
        try {
            (void)file.parse(host_device());
            FAIL_CHECK("accepted");
        } catch (const Error& error) {
            const std::string_view message = error.what();
            CAPTURE(place);
            CHECK(message.size() < 1'000);
            CHECK(message.find('\x1b') == std::string_view::npos);
        }
    }
}
