"""The engine: all pairs of many representations are one table of inner products, made in one pass.

It knows no index. An index asks for operators to be made of x and of y, symmetric (n, n) matrices A and B such as X X'
or Q Q', and makes its value of their inner products. Of many examples no such matrix is held: they are visited in pairs
of blocks, each operator's tile is one matrix product, the tiles of all operators are the rows of a matrix T, and T T'
is added to the table of all inner products. Centring comes afterwards, from row sums that are kept beside the table:

    <HAH, HBH> = <A, B> - 2/n (A1)'(B1) + (1'A1)(1'B1) / n²                        H = I - 11'/n
    U-centred    the same without the diagonals, with n - 2 and (n - 1)(n - 2) in the denominators

Data flows from the top to the bottom, to `tables` from `tiles` and `features`.

    read        arrays          arrays of any library that follows the Array API standard
                files           memory-mapped arrays, read through their files
                representation  a checked view of an array, centred and scaled as it is read in blocks; bases as rows
    operators   distances       squared distances, and the RBF kernel of them
                median          the exact median distance of more pairs than can be held
                bases           singular vectors and values, and the numerical rank
                qr              a basis, or its complement, without singular values
                projectors      projectors by the narrower of a basis and its complement
                operators       what can be made of a representation
                prepared        one representation and what has been made of it
    sum         tiling          how large tiles are, their order, how many threads share them
                tiles           all tiles of every operator, added up
                features        the same inner products from cross-products of narrow representations
                tables          tables of inner products, and centred moments of all pairs
                moments         from representations to moments
                pairs           what is no inner product: pair by pair
                run             all that several indexes ask for, in one computation
    service     memory          how much may be taken
                threads         pieces of work side by side, one core of linear algebra to each
                checkpoint      where large arrays go, and what an interrupted run has finished
                progress        a bar with the time left

From outside it takes `repsim.errors` and `repsim.options`, which take nothing from it.
"""
