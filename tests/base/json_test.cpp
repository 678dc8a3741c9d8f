#include "base/json.hpp"

#include "refused.hpp"

using namespace gramian;

TEST_CASE("json: accessors say what was expected, what was found and where")
{
    const Json node =
        parse_json(R"({"op":"linear","heads":3,"epsilon":1e-5,"big":1.0})", "node", Status::invalid_model);
    CHECK(require_string(node, "op", "node 0") == "linear");
    CHECK(require_integer(node, "heads", 1, 3, "node 0") == 3);
    CHECK(require_number(node, "epsilon", "node 0") == 1e-5);
    CHECK(require_number(node, "heads", "node 0") == 3.0);
    const auto wrong = [&](std::string_view words, auto action) { refused(Status::invalid_argument, words, action); };
    const Status status = Status::invalid_argument;
    wrong("node 0: \"out\" is missing", [&] { require_string(node, "out", "node 0", status); });
    wrong("node 0: \"op\": expected a number, found the string \"linear\"",
          [&] { require_number(node, "op", "node 0", status); });
    wrong("node 0: \"heads\": expected an integer from 4 to 8, found the number 3",
          [&] { require_integer(node, "heads", 4, 8, "node 0", status); });
    wrong("\"big\": expected an integer from 0 to 8, found the number 1.0",
          [&] { require_integer(node, "big", 0, 8, "node 0", status); });
    wrong("node 0: expected an object, found an array of 0",
          [&] { require_string(Json::array(), "op", "node 0", status); });
    wrong("node: byte 1: ", [&] { parse_json("", "node", status); });
    wrong("node: byte 1: expected JSON text, found a byte order mark",
          [&] { parse_json("\xEF\xBB\xBF{}", "node", status); });
}
