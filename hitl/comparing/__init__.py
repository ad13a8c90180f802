"""Whether a value stands in a text: whole, not as a part of a longer word, number or address.

Words and e-mail addresses may differ in case, text on one line in the number of its blanks, and a
number may be written as people write it. Nothing else may: letters that only look alike are other
letters, which `resembles` tells. In doubt it does not stand there. All of it takes time in
proportion to the lengths, whatever the texts are.
"""
