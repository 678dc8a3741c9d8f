#include "run.hpp"

int main(int argc, char** argv)
{
    return gramian::conformance::run_conformance(argc, argv);
}
