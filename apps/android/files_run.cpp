#include "files_run.hpp"

#include "run.hpp"

#include <cstdio>
#include <fstream>
#include <unistd.h>
#include <vector>

namespace gramian::conformance {

int run_into(const std::string& folder)
{
    if (::chdir(folder.c_str()) != 0) return -1;
    if (!std::freopen("output.txt", "w", stdout) || !std::freopen("errors.txt", "w", stderr)) return -1;
    std::vector<std::string> words{"gramian-conformance", "--json", "conformance.json", "--html", "passport.html"};
    std::ifstream file("arguments");
    for (std::string word; file >> word;) words.push_back(word);
    if (words.size() == 5) words.emplace_back("--quick");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int status = run_conformance(static_cast<int>(words.size()), arguments.data());
    std::fflush(stdout);
    std::fflush(stderr);
    return status;
}

} // namespace gramian::conformance
